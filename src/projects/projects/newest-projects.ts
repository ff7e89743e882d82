import type { SqlValues } from '../../database/statements/sql-values.js';
import type { TimePosition } from '../cursors.js';
import type { Reader } from '../visibility/reader.js';
import { readableAt, releasedUntil, visibleChapter } from '../visibility/visibility.js';

interface PageOfProjects {
  /** Of `projects p`. */
  conditions: string[];
  /** The last row of the page before. */
  after: TimePosition | undefined;
  /** The parameter with the number of rows. */
  limit: string;
}

/** Some of the rows of `projects p`. */
export interface PartOfProjects {
  conditions: string[];
  /** Reads what the rows are sorted by; empty: that is a column of them. */
  join: string;
}

/**
 * Returns parts of `projects p` that contain, together, each row of a page of the projects that were updated last, once. The time that
 * counts for a reader follows from the chapters of a project; `newest_at` limits for which projects it is computed. See
 * docs/decisions/newest-chapters.md. Not for readers who see what is hidden.
 */
export function newestParts(
  reader: Reader,
  now: Date,
  { conditions, after, limit }: PageOfProjects,
  values: SqlValues,
): PartOfProjects[] {
  const until = `${values.add(releasedUntil(reader, now))}::timestamptz`;
  const earlyAccess = `make_interval(hours => ${values.add(reader.earlyAccessDays * 24)}::int)`;
  const hasOwnChapters =
    reader.id === null
      ? 'false'
      : `p.id in (select project_id from chapters where uploader_id = ${values.add(reader.id)}::uuid)`;
  const ofOthers = `not (${hasOwnChapters})`;
  const released = [ofOthers, `p.newest_at <= ${until}`];
  const [onPage, inRange] = [[...released], [...released]];
  if (after) {
    const [key, id] = [`${values.add(after[0])}::timestamptz`, `${values.add(after[1])}::uuid`];
    onPage.push(`(p.newest_at, p.id) < (${key}, ${id})`);
    inRange.push(`p.newest_at <= ${key} + ${earlyAccess}`);
  }
  const oldestOnPage = `(select coalesce(min(newest_at), '-infinity') from (
      select p.newest_at from projects p where ${[...conditions, ...onPage].join(' and ')}
      order by p.newest_at desc, p.id desc limit ${limit}) page)`;
  // For this reader, a chapter counts at newest_at, or sooner by their early access at most: what is older by more is not on this page.
  inRange.push(`p.newest_at >= ${oldestOnPage} - ${earlyAccess}`);
  const notReleased = [ofOthers, `p.newest_at > ${until}`]; // the chapter before the newest one may count
  const join = joinNewest(reader, now, values, false);
  const parts: PartOfProjects[] = [inRange, notReleased].map((part) => ({ conditions: part, join }));
  return reader.id === null
    ? parts
    : [...parts, { conditions: [hasOwnChapters], join: joinNewest(reader, now, values) }];
}

/**
 * Joins `projects p` with the time at which the reader could first read the newest of its chapters, as `newest.at`; null: there is
 * none. `hasUploads`: the reader may have uploaded some of them. These are read apart, because `chapters_latest_idx` is in the order of the
 * times of other uploaders' chapters.
 */
export function joinNewest(reader: Reader, now: Date, values: SqlValues, hasUploads = reader.id !== null): string {
  const newest = (at: string, condition = 'true'): string => `(select ${at} as at from chapters c
      where c.project_id = p.id and c.state = 'published' and ${condition} and ${visibleChapter(reader, now, values)}
      order by 1 desc limit 1)`;
  const ofOthers = readableAt(reader, values, false);
  if (!hasUploads || reader.seesHidden) return `left join lateral ${newest(ofOthers)} newest on true`;
  const isOwn = `c.uploader_id = ${values.add(reader.id)}::uuid`;
  return `left join lateral (select max(at) as at from (${newest('c.published_at', isOwn)}
    union all ${newest(ofOthers, `(${isOwn}) is not true`)}) times) newest on true`;
}
