import type { QueryConfig } from 'pg';
import { JSON_TIMES } from '../database/json-times.js';
import { prepared } from '../database/prepared.js';

/** Folds the term as the search index does, and escapes the wildcards of LIKE. */
const likePattern = (term: string): string =>
  `'%' || regexp_replace(fold_text(${term}), '([\\\\%_])', '\\\\\\1', 'g') || '%'`;

/**
 * The query of a list: users whose names contain `term`, after a username. The times of the rows are texts. It is prepared, except
 * a search, which is planned for its term.
 */
export function toListStatement(
  term: string | undefined,
  after: string | undefined,
  withInactive: boolean,
  limit: number,
): QueryConfig {
  const values: unknown[] = [limit];
  const put = (value: string): string => `$${values.push(value)}`;
  const conditions = ['true'];
  if (!withInactive) conditions.push('is_active');
  if (after !== undefined) conditions.push(`username > ${put(after)}::citext`);
  if (term !== undefined)
    conditions.push(`fold_text(username || ' ' || fullname) like ${likePattern(`${put(term)}::text`)}`);
  const text = `select id, username, fullname, avatar_id, created_at from users where ${conditions.join(' and ')}
    order by username limit $1`;
  return term === undefined ? prepared(text, values, JSON_TIMES) : { text, values, types: JSON_TIMES };
}
