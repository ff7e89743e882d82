import { publicPath } from '../../http/log/request-context.js';
import { fullNameOf } from '../chapters/chapter-names.js';
import { type Element, element, toXml } from '../feeds/xml.js';
import {
  type Catalogue,
  type CatalogueChapter,
  CBZ_TYPE,
  coverImages,
  downloadPath,
  type NavigationEntry,
  pagePath,
} from './catalogue.js';

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
        'xmlns:pse': 'http://vaemendis.net/opds-pse/ns',
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

const navigationEntry = ({ id, title, summary, updated, path, hasChapters, thumbnail }: NavigationEntry): Element =>
  element(
    'entry',
    {},
    element('id', {}, id),
    element('title', {}, title),
    element('updated', {}, updated.toISOString()),
    element('content', { type: 'text' }, summary),
    element('link', { rel: 'subsection', href: href(path), type: hasChapters ? ACQUISITION : NAVIGATION }),
    thumbnail === undefined
      ? undefined
      : element('link', { rel: 'http://opds-spec.org/image/thumbnail', href: thumbnail, type: 'image/jpeg' }),
  );

const chapterEntry = (chapter: CatalogueChapter): Element =>
  element(
    'entry',
    {},
    element('id', {}, `urn:uuid:${chapter.id}`),
    element('title', {}, fullNameOf(chapter)),
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
    ...pageLinks(chapter),
  );

/**
 * Page streaming (https://github.com/anansi-project/opds-pse): the reader puts the number of a page, from 0, and its width into
 * the address. Its specification names JPEG; readers go by the type of the answer.
 */
const pageLinks = (chapter: CatalogueChapter): Element[] => [
  element('link', {
    rel: 'http://vaemendis.net/opds-pse/stream',
    href: `${publicPath(pagePath(chapter, '{pageNumber}'))}?width={maxWidth}`,
    type: 'image/jpeg',
    'pse:count': String(chapter.page_count),
  }),
  ...imageLinks(chapter),
];

function imageLinks(chapter: CatalogueChapter): Element[] {
  const [thumbnail, image = thumbnail] = coverImages(chapter);
  return [
    imageLink('http://opds-spec.org/image', image!),
    imageLink('http://opds-spec.org/image/thumbnail', thumbnail!),
  ];
}

const imageLink = (rel: string, { path, type }: { path: string; type: string }): Element =>
  element('link', { rel, href: publicPath(path), type });

/** How to search the projects (https://github.com/dewitt/opensearch). */
export const toOpenSearch = (): string =>
  toXml(
    element(
      'OpenSearchDescription',
      { xmlns: 'http://a9.com/-/spec/opensearch/1.1/' },
      element('ShortName', {}, 'Machi'),
      element('Description', {}, 'Searches projects by title and person.'),
      element('InputEncoding', {}, 'UTF-8'),
      element('Url', { type: NAVIGATION, template: `${href('/projects')}?query={searchTerms}` }),
    ),
  );

/** The media types of the documents. */
export const OPDS1_TYPES = {
  catalogue: (catalogue: Catalogue): string => `${kindOf(catalogue)};charset=utf-8`,
  search: `${OPEN_SEARCH};charset=utf-8`,
};
