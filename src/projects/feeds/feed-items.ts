import type { ListedAnnouncement } from '../announcements/announcements.dto.js';
import { fullNameOf } from '../chapters/chapter-names.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import type { FeedItem } from './feed-formats.js';

/** A chapter in a feed. It is as new as the reader's right to read it. */
export function toChapterItem(chapter: ListedChapter, publicUrl: string): FeedItem {
  const published = chapter.readable_at ?? chapter.created_at;
  return {
    id: `urn:uuid:${chapter.id}`,
    title: fullNameOf(chapter),
    link: `${publicUrl}/api/chapters/${chapter.id}`,
    text: summaryOf(chapter),
    published,
    updated: later(chapter.updated_at, published),
    language: chapter.language,
  };
}

/** An announcement in a feed, with its text as it was written. */
export const toAnnouncementItem = (
  { id, title, body, published_at, updated_at }: ListedAnnouncement,
  publicUrl: string,
): FeedItem => ({
  id: `urn:uuid:${id}`,
  title,
  link: `${publicUrl}/api/announcements/${id}`,
  text: body,
  published: published_at,
  updated: later(updated_at, published_at),
});

/** A sentence about a chapter, in plain text. */
const summaryOf = ({ language, page_count, release_groups }: ListedChapter): string => {
  const groups = release_groups.map(({ name }) => name).join(', ');
  return `${groups ? `By ${groups}. ` : ''}Language: ${language}. Pages: ${page_count}.`;
};

/** A chapter or an announcement may have been changed before it could be read. */
const later = (one: Date, other: Date): Date => (one > other ? one : other);
