import { element, escapeXml, toXml } from './xml.js';

/** A list of items to syndicate. All addresses are absolute. */
export interface Feed {
  id: string;
  title: string;
  /** The address of the feed without its ending. */
  url: string;
  /** The address of the same list for programs. */
  link: string;
  /** The address of an image, such as the cover of the project. */
  image?: string | undefined;
  items: FeedItem[];
}

/** A chapter or an announcement in a feed. */
export interface FeedItem {
  id: string;
  title: string;
  link: string;
  /** Plain text. */
  text: string;
  published: Date;
  /** Not before `published`. */
  updated: Date;
  language?: string;
}

/** The media types of the formats. */
export const FEED_TYPES = {
  rss: 'application/rss+xml; charset=utf-8',
  atom: 'application/atom+xml; charset=utf-8',
  json: 'application/feed+json; charset=utf-8',
} as const;
export type FeedFormat = keyof typeof FEED_TYPES;

/** Whether a text is the ending of a format. */
export const isFeedFormat = (text: string): text is FeedFormat => Object.hasOwn(FEED_TYPES, text);

/** A feed as the text of a format. */
export const toFeed = (feed: Feed, format: FeedFormat): string =>
  ({ rss: toRss, atom: toAtom, json: toJsonFeed })[format](feed);

const newest = ({ items }: Feed): Date => new Date(Math.max(0, ...items.map(({ updated }) => updated.getTime())));

/** The description of RSS is HTML. */
const toHtml = (text: string): string => escapeXml(text).replaceAll('\n', '<br>');

/** RSS 2.0. https://www.rssboard.org/rss-specification */
function toRss(feed: Feed): string {
  const items = feed.items.map(({ id, title, link, text, published }) =>
    element(
      'item',
      {},
      element('title', {}, title),
      element('link', {}, link),
      element('guid', { isPermaLink: 'false' }, id),
      element('pubDate', {}, published.toUTCString()),
      element('description', {}, toHtml(text)),
    ),
  );
  const channel = element(
    'channel',
    {},
    element('title', {}, feed.title),
    element('link', {}, feed.link),
    element('description', {}, feed.title),
    element('atom:link', { rel: 'self', type: 'application/rss+xml', href: `${feed.url}.rss` }),
    feed.image === undefined
      ? undefined
      : element(
          'image',
          {},
          element('url', {}, feed.image),
          element('title', {}, feed.title),
          element('link', {}, feed.link),
        ),
    element('lastBuildDate', {}, newest(feed).toUTCString()),
    ...items,
  );
  return toXml(element('rss', { version: '2.0', 'xmlns:atom': 'http://www.w3.org/2005/Atom' }, channel));
}

/** RFC 4287. */
function toAtom(feed: Feed): string {
  const entries = feed.items.map(({ id, title, link, text, published, updated }) =>
    element(
      'entry',
      {},
      element('id', {}, id),
      element('title', {}, title),
      element('link', { rel: 'alternate', type: 'application/json', href: link }),
      element('published', {}, published.toISOString()),
      element('updated', {}, updated.toISOString()),
      element('summary', {}, text),
    ),
  );
  return toXml(
    element(
      'feed',
      { xmlns: 'http://www.w3.org/2005/Atom' },
      element('id', {}, feed.id),
      element('title', {}, feed.title),
      element('author', {}, element('name', {}, 'Machi')),
      element('link', { rel: 'self', type: 'application/atom+xml', href: `${feed.url}.atom` }),
      feed.image === undefined ? undefined : element('logo', {}, feed.image),
      element('updated', {}, newest(feed).toISOString()),
      ...entries,
    ),
  );
}

/** JSON Feed 1.1. https://www.jsonfeed.org/version/1.1/ */
function toJsonFeed(feed: Feed): string {
  return JSON.stringify({
    version: 'https://jsonfeed.org/version/1.1',
    title: feed.title,
    home_page_url: feed.link,
    feed_url: `${feed.url}.json`,
    ...(feed.image === undefined ? {} : { icon: feed.image }),
    items: feed.items.map(({ id, link, title, text, published, updated, language }) => ({
      id,
      url: link,
      title,
      content_text: text,
      date_published: published.toISOString(),
      date_modified: updated.toISOString(),
      ...(language === undefined ? {} : { language }),
    })),
  });
}
