import type { SqlValues } from '../../database/sql-values.js';
import type { TimePosition } from '../cursors.js';
import type { Reader } from '../visibility/reader.js';
import { releasedUntil } from '../visibility/visibility.js';

interface PageOfProjects {
  /** Of `projects p`. */
  conditions: string[];
  /** The last row of the page before. */
  after: TimePosition | undefined;
  /** The parameter with the number of rows. */
  limit: string;
}

/**
 * Returns the conditions of queries on `projects p` whose rows, together, contain each row of a page of the projects that were updated
 * last, once. The time that counts for a reader follows from the chapters of a project; `newest_at` limits for which projects it is
 * computed. See docs/decisions/newest-chapters.md. Not for readers who see what is hidden.
 */
export function newestParts(
  reader: Reader,
  now: Date,
  { conditions, after, limit }: PageOfProjects,
  values: SqlValues,
): string[][] {
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
  return [inRange, notReleased, ...(reader.id === null ? [] : [[hasOwnChapters]])];
}
