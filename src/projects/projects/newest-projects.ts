import type { SqlValues } from '../../database/sql-values.js';
import type { Reader } from '../visibility/reader.js';
import { releasedUntil } from '../visibility/visibility.js';
import type { Position } from './project-search.service.js';

interface PageOfProjects {
  /** Of `projects p`. */
  conditions: string[];
  after: Position | undefined;
  /** The parameter with the number of rows. */
  limit: string;
}

/**
 * Conditions of parts of `projects p` that together contain the page of the projects which were updated last, each project once. The
 * time that counts for a reader follows from the chapters of a project; `newest_at` tells where to look, so that not all projects
 * are compared. See docs/decisions/newest-chapters.md. Not for readers who see what is hidden.
 */
export function newestParts(
  reader: Reader,
  now: Date,
  { conditions, after, limit }: PageOfProjects,
  values: SqlValues,
): string[][] {
  const until = `${values.add(releasedUntil(reader, now))}::timestamptz`;
  const early = `make_interval(hours => ${values.add(reader.earlyAccessDays * 24)}::int)`;
  const own =
    reader.id === null
      ? 'false'
      : `p.id = any (array(select project_id from chapters where uploader_id = ${values.add(reader.id)}::uuid))`;
  const usual = [`not ${own}`, `p.newest_at <= ${until}`];
  const bounds: string[] = [];
  if (after) {
    const [key, id] = [`${values.add(new Date(after[0]))}::timestamptz`, `${values.add(after[1])}::uuid`];
    bounds.push(`p.newest_at <= ${key} + ${early}`);
    usual.push(`(p.newest_at, p.id) < (${key}, ${id})`);
  }
  // A chapter counts for this reader at newest_at, or up to `early` sooner: what is older than the last row by more comes after it.
  const last = `(select coalesce(min(newest_at), '-infinity') from (
      select p.newest_at from projects p where ${[...conditions, ...usual].join(' and ')}
      order by p.newest_at desc, p.id desc limit ${limit}) page)`;
  return [
    [`not ${own}`, `p.newest_at <= ${until}`, `p.newest_at >= ${last} - ${early}`, ...bounds],
    [`not ${own}`, `p.newest_at > ${until}`], // their newest chapter is not released for the reader yet
    ...(reader.id === null ? [] : [[own]]), // their own chapters count when they were published
  ];
}
