import { publicPath } from '../../http/request-context.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import { nameOf } from '../feeds/feed-formats.js';
import { type Catalogue, CBZ_TYPE, downloadPath, type NavigationEntry } from './catalogue.js';

/** The media type of a catalogue. */
export const OPDS2_TYPE = 'application/opds+json';

const href = (path: string): string => publicPath(`/api/opds/v2${path}`);

/** A catalogue as OPDS 2.0 (https://drafts.opds.io/opds-2.0). It may have navigation or publications, but no empty lists. */
export function toOpds2({ id, title, path, updated, next, navigation, chapters }: Catalogue): string {
  const links = [
    { rel: 'self', href: href(path), type: OPDS2_TYPE },
    { rel: 'start', href: href(''), type: OPDS2_TYPE },
    { rel: 'search', href: `${href('/projects')}{?q}`, type: OPDS2_TYPE, templated: true },
    ...(next === undefined ? [] : [{ rel: 'next', href: href(next), type: OPDS2_TYPE }]),
  ];
  return JSON.stringify({
    metadata: { identifier: id, title, modified: updated.toISOString() },
    links,
    ...(chapters ? { publications: chapters.map(toPublication) } : { navigation: navigation.map(toLink) }),
  });
}

const toLink = ({ title, path }: NavigationEntry) => ({ title, href: href(path), rel: 'subsection', type: OPDS2_TYPE });

const toPublication = (chapter: ListedChapter) => ({
  metadata: {
    '@type': 'http://schema.org/ComicIssue',
    identifier: `urn:uuid:${chapter.id}`,
    title: `${chapter.project_title} – ${nameOf(chapter)}`,
    language: chapter.language,
    modified: chapter.updated_at.toISOString(),
    published: (chapter.readable_at ?? chapter.created_at).toISOString(),
    numberOfPages: chapter.page_count,
    contributor: chapter.release_groups.map(({ name }) => ({ name })),
    belongsTo: { series: [{ name: chapter.project_title }] },
  },
  links: [
    { rel: 'http://opds-spec.org/acquisition/open-access', href: publicPath(downloadPath(chapter)), type: CBZ_TYPE },
  ],
  images: [],
});
