import type { QueryConfig } from 'pg';
import { likePattern } from '../database/statements/like-pattern.js';
import { prepared } from '../database/statements/prepared.js';
import { publicPath } from '../http/log/request-context.js';

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

/** Selects one ListRow: a page of the users for which the conditions hold. `size` and `base` are SQL. */
const selectPage = (conditions: string[], size: string, base: string): string =>
  `select coalesce(array_to_string((array_agg(item))[:${size}], ','), '') as items,
      case when count(*) > ${size} then (array_agg(username))[${size}] end as last_username
    from (select username, ${userJson(base)} as item from users where ${conditions.join(' and ')}
      order by username limit ${size} + 1) page`;

const activity = (withInactive: boolean): string => (withInactive ? 'true' : 'is_active');

/** A page of users: at most so many after a username; '' is before all. */
export interface PageOfUsers {
  after: string;
  limit: number;
}

/** The prepared query of several pages. Returns a ListRow for each, with its number, from 1 on. */
export function toPagesStatement(pages: PageOfUsers[], withInactive: boolean): QueryConfig {
  const page = selectPage([activity(withInactive), 'username > q.after'], 'q.size', '$3::text');
  return prepared(
    `select q.n::int, page.* from unnest($1::citext[], $2::int[]) with ordinality q (after, size, n) cross join lateral (${page}) page`,
    [pages.map(({ after }) => after), pages.map(({ limit }) => limit), publicPath('')],
  );
}

/** The query of a search: users whose names contain `term`. It is planned for its term. Returns one ListRow. */
export function toSearchStatement(term: string, { after, limit }: PageOfUsers, withInactive: boolean): QueryConfig {
  const found = `fold_text(username || ' ' || fullname) like ${likePattern('fold_text($3::text)')}`;
  const conditions = [activity(withInactive), found, ...(after === '' ? [] : ['username > $4::citext'])];
  const values = [limit, publicPath(''), term, ...(after === '' ? [] : [after])];
  return { text: selectPage(conditions, '$1::int', '$2::text'), values };
}
