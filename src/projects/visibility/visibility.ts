import type { Config } from '../../config/config.js';
import type { SqlValues } from '../../database/statements/sql-values.js';
import { ANONYMOUS, type Reader } from './reader.js';

// The one place that decides who sees a project or a chapter. Every statement that reads them for a reader uses the
// conditions, and code that has the rows uses the functions. `p` is `projects`, `c` is `chapters`.

const DAY_MS = 86_400_000;

/** Chapters are visible from their release on, for readers with early access so many days before. */
export const releasedUntil = ({ earlyAccessDays }: Reader, now: Date): Date =>
  new Date(now.getTime() + earlyAccessDays * DAY_MS);

/** A condition that holds for the chapters that the reader sees. Needs `chapters c` joined with `projects p`. */
export function visibleChapter(reader: Reader, now: Date, values: SqlValues): string {
  if (reader.seesHidden) return 'true';
  const until = values.add(releasedUntil(reader, now));
  const isOpen = `(c.state = 'published' and not c.is_hidden and not p.is_hidden
    and (c.release_at is null or c.release_at <= ${until}::timestamptz))`;
  return reader.id === null ? isOpen : `(c.uploader_id = ${values.add(reader.id)}::uuid or ${isOpen})`;
}

/** A condition that holds for the projects that the reader sees. Needs `projects p`. */
export function visibleProject(reader: Reader, values: SqlValues): string {
  if (reader.seesHidden || reader.managesProjects) return 'true';
  if (reader.id === null) return 'not p.is_hidden';
  return `(not p.is_hidden or exists (select from chapters own
    where own.uploader_id = ${values.add(reader.id)}::uuid and own.project_id = p.id))`;
}

/** Whether everyone sees the project, so that caches may keep its cover. */
export const isProjectPublic = (
  { ANONYMOUS_READING }: Pick<Config, 'ANONYMOUS_READING'>,
  project: { is_hidden: boolean },
): boolean => ANONYMOUS_READING === 'on' && !project.is_hidden;

/** What decides about a chapter. */
export interface ChapterVisibility {
  state: string;
  is_hidden: boolean;
  uploader_id: string | null;
  release_at: Date | null;
}

/** Whether the reader sees the chapter: the same rule as `visibleChapter`. */
export const isChapterVisible = (
  reader: Reader,
  now: Date,
  chapter: ChapterVisibility,
  project: { is_hidden: boolean },
): boolean =>
  reader.seesHidden ||
  (reader.id !== null && reader.id === chapter.uploader_id) ||
  (chapter.state === 'published' &&
    !chapter.is_hidden &&
    !project.is_hidden &&
    (chapter.release_at === null || chapter.release_at <= releasedUntil(reader, now)));

/** Whether everyone sees the chapter, so that caches may keep its images. */
export const isChapterPublic = (
  { ANONYMOUS_READING }: Pick<Config, 'ANONYMOUS_READING'>,
  now: Date,
  chapter: ChapterVisibility,
  project: { is_hidden: boolean },
): boolean => ANONYMOUS_READING === 'on' && isChapterVisible(ANONYMOUS, now, chapter, project);

/**
 * When the reader could first read a published chapter. `hasUploads`: the reader may have uploaded some of the chapters; if
 * not, the expression is that of an index.
 */
export function readableAt(reader: Reader, values: SqlValues, hasUploads = reader.id !== null): string {
  if (reader.seesHidden) return 'c.published_at';
  const hours = reader.earlyAccessDays * 24;
  const release = hours === 0 ? 'c.release_at' : `c.release_at - make_interval(hours => ${values.add(hours)}::int)`;
  const ofOthers = `greatest(c.shown_at, ${release})`;
  if (!hasUploads || reader.id === null) return ofOthers;
  return `(case when c.uploader_id = ${values.add(reader.id)}::uuid then c.published_at else ${ofOthers} end)`;
}
