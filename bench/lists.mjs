// Lists of 50 users and of 50 vaccination sessions of a centre, compared with a bare server that sends the rows of the same
// query with JSON.stringify and checks no token. Of the users, all clients ask for one page, and then each for another one.
import { interleave } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeCentre } from './support/vaccination-world.mjs';
import { makeUsers, withWorld } from './support/world.mjs';

const LIMIT = 50;
const USERS = 1000;
const SESSIONS = 200;

export const options = { seconds: 4, rounds: 5 };

export function run({ seconds, rounds }) {
  return withWorld({}, async (world) => {
    const users = await makeUsers(world, USERS);
    const centre = await makeSessions(world);
    const lists = {
      users: {
        path: `/api/users?limit=${LIMIT}`,
        text: `select id, username, fullname, avatar_id, created_at from users where is_active order by username limit $1`,
        values: [LIMIT],
      },
      otherUsers: {
        title: 'users, other pages',
        path: `/api/users?limit=${LIMIT}`,
        text: `select id, username, fullname, avatar_id, created_at from users where is_active and username > $2 order by username limit $1`,
        values: [LIMIT],
        after: (client) => `bench${100 + client}`,
      },
      sessions: {
        path: `/api/vaccination/sessions?centre=${centre}&limit=${LIMIT}`,
        text: `select s.id, s.dose, s.starts_at, s.ends_at, s.opens_at, s.capacity, s.walk_in_capacity, s.status,
            s.cancellation_reason, json_build_object('id', c.id, 'name', c.name, 'address', c.address, 'district', c.district,
              'latitude', c.latitude, 'longitude', c.longitude, 'time_zone', c.time_zone) as centre,
            json_build_object('id', v.id, 'code', v.code, 'name', v.name) as vaccine, s.capacity - s.booked as available
          from vaccination_sessions s join vaccination_centres c on c.id = s.centre_id join vaccines v on v.id = s.vaccine_id
          where s.status = 'open' and s.ends_at > now() and c.status = 'active' and v.is_active and s.centre_id = $1
          order by s.starts_at, s.id limit $2`,
        values: [centre, LIMIT],
      },
    };
    const env = { CONNECTION: JSON.stringify(world.connection), LISTS: JSON.stringify(lists) };
    const bare = await world.start('query and stringify', 'bench/baselines/lists.mjs', env);
    const rows = [];
    for (const [name, { title = name, path, after }] of Object.entries(lists)) {
      const pathOf = after && ((client) => `${path}&cursor=${Buffer.from(after(client)).toString('base64url')}`);
      const barePathOf = after && ((client) => `/${name}?${after(client)}`);
      const targets = [
        { ...world.machi, url: world.machi.url + (pathOf?.(0) ?? path), pathOf, rounds: [] },
        { ...bare, url: bare.url + (barePathOf?.(0) ?? `/${name}`), pathOf: barePathOf, rounds: [] },
      ];
      await assertRows(targets, users[0].token);
      const headersOf = (number) => ({ authorization: `Bearer ${users[number].token}` });
      await interleave(targets, { path: '', headersOf, seconds, rounds });
      rows.push(...toRows(`List of ${LIMIT} ${title}`, targets));
    }
    return rows;
  });
}

/** Returns the id of the centre. */
async function makeSessions({ query }) {
  const centre = await makeCentre(query);
  await query(
    `insert into vaccination_sessions
      (id, centre_id, vaccine_id, starts_at, ends_at, opens_at, capacity, status, created_at, updated_at)
    select gen_random_uuid(), $1, (select id from vaccines), now() + i * interval '1 hour', now() + (i + 1) * interval '1 hour',
      now(), 100, 'open', now(), now() from generate_series(1, $2::int) i`,
    [centre, SESSIONS],
  );
  await query('analyze');
  return centre;
}

async function assertRows(targets, token) {
  for (const { name, url } of targets) {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const { items } = await response.json();
    if (items?.length !== LIMIT) throw new Error(`${name}: ${response.status}, ${items?.length} rows`);
  }
}
