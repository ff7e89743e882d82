import { publicPath } from '../../http/log/request-context.js';
import { fullNameOf } from '../chapters/chapter-names.js';
import {
  type Catalogue,
  type CatalogueChapter,
  CBZ_TYPE,
  coverImages,
  downloadPath,
  type NavigationEntry,
} from './catalogue.js';

/** The media types of a catalogue and of one publication. */
export const OPDS2_TYPE = 'application/opds+json';
export const PUBLICATION_TYPE = 'application/opds-publication+json';

const href = (path: string): string => publicPath(`/api/opds/v2${path}`);

/** A catalogue as OPDS 2.0 (https://drafts.opds.io/opds-2.0). It may have navigation or publications, but no empty lists. */
export function toOpds2({ id, title, path, updated, next, navigation, chapters }: Catalogue): string {
  const links = [
    { rel: 'self', href: href(path), type: OPDS2_TYPE },
    { rel: 'start', href: href(''), type: OPDS2_TYPE },
    { rel: 'search', href: `${href('/projects')}{?query}`, type: OPDS2_TYPE, templated: true },
    ...(next === undefined ? [] : [{ rel: 'next', href: href(next), type: OPDS2_TYPE }]),
  ];
  return JSON.stringify({
    metadata: { identifier: id, title, modified: updated.toISOString() },
    links,
    ...(chapters ? { publications: chapters.map(toPublication) } : { navigation: navigation.map(toLink) }),
  });
}

const toLink = ({ title, path }: NavigationEntry) => ({ title, href: href(path), rel: 'subsection', type: OPDS2_TYPE });

/** A chapter as a publication of OPDS 2.0. */
export const toPublication = (chapter: CatalogueChapter) => ({
  metadata: {
    '@type': 'http://schema.org/ComicIssue',
    identifier: `urn:uuid:${chapter.id}`,
    title: fullNameOf(chapter),
    language: chapter.language,
    modified: chapter.updated_at.toISOString(),
    published: (chapter.readable_at ?? chapter.created_at).toISOString(),
    numberOfPages: chapter.page_count,
    contributor: chapter.release_groups.map(({ name }) => ({ name })),
    belongsTo: { series: [{ name: chapter.project_title }] },
  },
  links: [
    { rel: 'self', href: href(`/chapters/${chapter.id}`), type: PUBLICATION_TYPE },
    { rel: 'http://opds-spec.org/acquisition/open-access', href: publicPath(downloadPath(chapter)), type: CBZ_TYPE },
  ],
  images: coverImages(chapter).map(({ path, type }) => ({ href: publicPath(path), type })),
});
