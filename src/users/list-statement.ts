import type { QueryConfig } from 'pg';
import { prepared } from '../database/prepared.js';
import { publicPath } from '../http/request-context.js';

/** The row of a list: the users of the page as JSON, and the last username if there are more. */
export interface ListRow {
  items: string;
  last_username: string | null;
}

/**
 * A public user as JSON, with the bytes that JSON.stringify makes of a PublicUserDto. PostgreSQL writes it, because reading 50
 * rows, mapping them and writing them again takes a third of the time that the server spends on a list. Only the full name
 * can have characters that JSON escapes. `base` is the path of PUBLIC_URL. The addresses of avatars are those of avatar-url.ts.
 */
const userJson = (base: string): string => `'{"id":"' || id || '","username":"' || username
  || '","fullname":' || to_json(fullname)
  || ',"avatar_url":"' || ${base} || case when avatar_id is null then '/api/users/' || id || '/avatar'
    else '/api/avatars/' || avatar_id || '/256.webp' end
  || '","created_at":"' || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"}'`;

/** Folds the term as the search index does, and escapes the wildcards of LIKE. */
const likePattern = (term: string): string =>
  `'%' || regexp_replace(fold_text(${term}), '([\\\\%_])', '\\\\\\1', 'g') || '%'`;

/**
 * The query of a list: users whose names contain `term`, after a username. Returns one ListRow. It is prepared, except a search,
 * which is planned for its term.
 */
export function toListStatement(
  term: string | undefined,
  after: string | undefined,
  withInactive: boolean,
  limit: number,
): QueryConfig {
  const values: unknown[] = [limit, publicPath('')];
  const put = (value: string): string => `$${values.push(value)}`;
  const conditions = ['true'];
  if (!withInactive) conditions.push('is_active');
  if (after !== undefined) conditions.push(`username > ${put(after)}::citext`);
  if (term !== undefined)
    conditions.push(`fold_text(username || ' ' || fullname) like ${likePattern(`${put(term)}::text`)}`);
  const text = `select coalesce(array_to_string((array_agg(item))[:$1], ','), '') as items,
      case when count(*) > $1 then (array_agg(username))[$1] end as last_username
    from (select username, ${userJson('$2::text')} as item from users where ${conditions.join(' and ')}
      order by username limit $1::int + 1) page`;
  return term === undefined ? prepared(text, values) : { text, values };
}
