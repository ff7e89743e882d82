import type { ListedChapter } from '../chapters/chapters.dto.js';
import { element, escapeXml, toXml } from './xml.js';

/** A list of chapters to syndicate. All addresses are absolute. */
export interface ChapterFeed {
  id: string;
  title: string;
  /** The address of the feed without its ending. */
  url: string;
  /** The address of the same list for programs. */
  link: string;
  /** The base of the addresses of chapters. */
  publicUrl: string;
  chapters: ListedChapter[];
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
export const toFeed = (feed: ChapterFeed, format: FeedFormat): string =>
  ({ rss: toRss, atom: toAtom, json: toJsonFeed })[format](feed);

/** The name of a chapter without that of its project, such as "Vol. 2 Chapter 3.10: The Lighthouse". */
export function nameOf({ volume, number, title }: Pick<ListedChapter, 'volume' | 'number' | 'title'>): string {
  const place = [volume === null ? [] : [`Vol. ${volume}`], number === null ? [] : [`Chapter ${number}`]]
    .flat()
    .join(' ');
  return [place, title].filter(Boolean).join(': ') || 'One-shot';
}

const titleOf = (chapter: ListedChapter): string => `${chapter.project_title} – ${nameOf(chapter)}`;

/** A sentence about a chapter, in plain text. */
const summaryOf = ({ language, page_count, release_groups }: ListedChapter): string => {
  const groups = release_groups.map(({ name }) => name).join(', ');
  return `${groups ? `By ${groups}. ` : ''}Language: ${language}. Pages: ${page_count}.`;
};

const linkOf = ({ publicUrl }: ChapterFeed, { id }: ListedChapter): string => `${publicUrl}/api/chapters/${id}`;
const idOf = ({ id }: ListedChapter): string => `urn:uuid:${id}`;
const publishedAt = ({ readable_at, created_at }: ListedChapter): Date => readable_at ?? created_at;

/** The later one: a chapter may have been changed before it could be read. */
const updatedAt = (chapter: ListedChapter): Date =>
  chapter.updated_at > publishedAt(chapter) ? chapter.updated_at : publishedAt(chapter);

const newest = ({ chapters }: ChapterFeed): Date =>
  new Date(Math.max(0, ...chapters.map((chapter) => updatedAt(chapter).getTime())));

/** RSS 2.0. https://www.rssboard.org/rss-specification */
function toRss(feed: ChapterFeed): string {
  const items = feed.chapters.map((chapter) =>
    element(
      'item',
      {},
      element('title', {}, titleOf(chapter)),
      element('link', {}, linkOf(feed, chapter)),
      element('guid', { isPermaLink: 'false' }, idOf(chapter)),
      element('pubDate', {}, publishedAt(chapter).toUTCString()),
      // The description of RSS is HTML.
      element('description', {}, escapeXml(summaryOf(chapter))),
    ),
  );
  const channel = element(
    'channel',
    {},
    element('title', {}, feed.title),
    element('link', {}, feed.link),
    element('description', {}, feed.title),
    element('atom:link', { rel: 'self', type: 'application/rss+xml', href: `${feed.url}.rss` }),
    element('lastBuildDate', {}, newest(feed).toUTCString()),
    ...items,
  );
  return toXml(element('rss', { version: '2.0', 'xmlns:atom': 'http://www.w3.org/2005/Atom' }, channel));
}

/** RFC 4287. */
function toAtom(feed: ChapterFeed): string {
  const entries = feed.chapters.map((chapter) =>
    element(
      'entry',
      {},
      element('id', {}, idOf(chapter)),
      element('title', {}, titleOf(chapter)),
      element('link', { rel: 'alternate', type: 'application/json', href: linkOf(feed, chapter) }),
      element('published', {}, publishedAt(chapter).toISOString()),
      element('updated', {}, updatedAt(chapter).toISOString()),
      element('summary', {}, summaryOf(chapter)),
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
      element('updated', {}, newest(feed).toISOString()),
      ...entries,
    ),
  );
}

/** JSON Feed 1.1. https://www.jsonfeed.org/version/1.1/ */
function toJsonFeed(feed: ChapterFeed): string {
  return JSON.stringify({
    version: 'https://jsonfeed.org/version/1.1',
    title: feed.title,
    home_page_url: feed.link,
    feed_url: `${feed.url}.json`,
    items: feed.chapters.map((chapter) => ({
      id: idOf(chapter),
      url: linkOf(feed, chapter),
      title: titleOf(chapter),
      content_text: summaryOf(chapter),
      date_published: publishedAt(chapter).toISOString(),
      date_modified: updatedAt(chapter).toISOString(),
      language: chapter.language,
    })),
  });
}
