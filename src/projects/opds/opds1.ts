import { publicPath } from '../../http/request-context.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import { nameOf } from '../feeds/feed-formats.js';
import { type Element, element, toXml } from '../feeds/xml.js';
import { type Catalogue, CBZ_TYPE, downloadPath, type NavigationEntry } from './catalogue.js';

const PROFILE = 'application/atom+xml;profile=opds-catalog';
const NAVIGATION = `${PROFILE};kind=navigation`;
const ACQUISITION = `${PROFILE};kind=acquisition`;
const OPEN_SEARCH = 'application/opensearchdescription+xml';

const href = (path: string): string => publicPath(`/api/opds${path}`);

const kindOf = ({ chapters }: Catalogue): string => (chapters ? ACQUISITION : NAVIGATION);

/** A catalogue as OPDS 1.2 (https://specs.opds.io/opds-1.2). */
export const toOpds1 = (catalogue: Catalogue): string =>
  toXml(
    element(
      'feed',
      {
        xmlns: 'http://www.w3.org/2005/Atom',
        'xmlns:dc': 'http://purl.org/dc/terms/',
        'xmlns:opds': 'http://opds-spec.org/2010/catalog',
      },
      element('id', {}, catalogue.id),
      element('title', {}, catalogue.title),
      element('updated', {}, catalogue.updated.toISOString()),
      element('author', {}, element('name', {}, 'Machi')),
      element('link', { rel: 'self', href: href(catalogue.path), type: kindOf(catalogue) }),
      element('link', { rel: 'start', href: href(''), type: NAVIGATION }),
      element('link', { rel: 'search', href: href('/search.xml'), type: OPEN_SEARCH }),
      catalogue.next === undefined
        ? undefined
        : element('link', { rel: 'next', href: href(catalogue.next), type: kindOf(catalogue) }),
      ...catalogue.navigation.map(navigationEntry),
      ...(catalogue.chapters ?? []).map(chapterEntry),
    ),
  );

const navigationEntry = ({ id, title, summary, updated, path, hasChapters }: NavigationEntry): Element =>
  element(
    'entry',
    {},
    element('id', {}, id),
    element('title', {}, title),
    element('updated', {}, updated.toISOString()),
    element('content', { type: 'text' }, summary),
    element('link', { rel: 'subsection', href: href(path), type: hasChapters ? ACQUISITION : NAVIGATION }),
  );

const chapterEntry = (chapter: ListedChapter): Element =>
  element(
    'entry',
    {},
    element('id', {}, `urn:uuid:${chapter.id}`),
    element('title', {}, `${chapter.project_title} – ${nameOf(chapter)}`),
    element('updated', {}, chapter.updated_at.toISOString()),
    element('published', {}, (chapter.readable_at ?? chapter.created_at).toISOString()),
    element('dc:language', {}, chapter.language),
    ...chapter.release_groups.map(({ name }) => element('contributor', {}, element('name', {}, name))),
    element('content', { type: 'text' }, `${chapter.page_count} pages`),
    element('link', {
      rel: 'http://opds-spec.org/acquisition/open-access',
      href: publicPath(downloadPath(chapter)),
      type: CBZ_TYPE,
    }),
  );

/** How to search the projects (https://github.com/dewitt/opensearch). */
export const toOpenSearch = (): string =>
  toXml(
    element(
      'OpenSearchDescription',
      { xmlns: 'http://a9.com/-/spec/opensearch/1.1/' },
      element('ShortName', {}, 'Machi'),
      element('Description', {}, 'Searches projects by title and person.'),
      element('InputEncoding', {}, 'UTF-8'),
      element('Url', { type: NAVIGATION, template: `${href('/projects')}?q={searchTerms}` }),
    ),
  );

/** The media types of the documents. */
export const OPDS1_TYPES = {
  catalogue: (catalogue: Catalogue): string => `${kindOf(catalogue)};charset=utf-8`,
  search: `${OPEN_SEARCH};charset=utf-8`,
};
