// The environment of the benches: PostgreSQL, Machi and the servers beside it, all stopped at the end; users with sessions.
import jwt from 'jsonwebtoken';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { readKeyPair } from '../../dist/src/common/keys/key-pair.js';
import { startServer, treeCpu } from './harness.mjs';
import { startPostgres } from './postgres.mjs';

const FAR_FUTURE = 253402300799;

/** Runs `work` with a PostgreSQL and Machi, with these settings, and stops all that was started. Returns what it returns. */
export async function withWorld(env, work) {
  const { dataDir, connection, stop } = await startPostgres();
  const stops = [stop];
  try {
    const postmaster = Number(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
    const pem = { format: 'pem', type: 'pkcs8' };
    const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem);
    const { privateKey, publicKey, published } = readKeyPair(signingKey);
    const settings = {
      NODE_ENV: 'test',
      PORT: '0',
      RATE_LIMITS: 'off',
      SECRET_KEY: randomBytes(32).toString('hex'),
      NATIONAL_ID_KEY: randomBytes(32).toString('hex'),
      NATIONAL_ID_INDEX_KEY: randomBytes(32).toString('hex'),
      SIGNING_KEY: signingKey,
      ADMIN_PASSWORD: randomBytes(12).toString('hex'),
      BCRYPT_COST: '10',
      DATA_DIR: dataDir,
      STORAGE_DIR: join(dataDir, 'uploads'),
      DB_HOST: connection.host,
      DB_PORT: connection.port,
      DB_NAME: connection.database,
      DB_USER: connection.user,
      DB_PASSWORD: connection.password,
      ...env,
    };
    const start = async (name, script, environment, command) => {
      const server = await startServer(name, script, environment, command);
      stops.push(server.stop);
      return server;
    };
    const machi = await start('Machi', 'dist/src/main.js', settings);
    const openClient = async (to) => {
      const client = new pg.Client(to);
      await client.connect();
      stops.push(() => client.end());
      return client;
    };
    const client = await openClient(connection);
    return await work({
      machi,
      settings,
      connection,
      dataDir,
      password: settings.ADMIN_PASSWORD,
      publicKey: publicKey.export({ format: 'pem', type: 'spki' }),
      start,
      /** One more Machi, with these settings besides those of the first one. */
      startMachi: (name, changes) => start(name, 'dist/src/main.js', { ...settings, ...changes }),
      openClient,
      query: (text, values) => client.query(text, values),
      postgresCpu: () => treeCpu(postmaster),
      call: (...request) => call(machi.url, ...request),
      sign: (claims) => jwt.sign(claims, privateKey, { algorithm: 'ES256', keyid: published.kid }),
      issuer: `urn:machi:${settings.NODE_ENV}`,
    });
  } finally {
    for (const stopOne of stops.toReversed()) await stopOne();
  }
}

/** Sends JSON, a form or an archive, and returns the parsed answer. */
async function call(url, method, path, body, token) {
  const isJson = !(body === undefined || body instanceof FormData || Buffer.isBuffer(body));
  const type = isJson ? 'application/json' : Buffer.isBuffer(body) ? 'application/zip' : undefined;
  const response = await fetch(`${url}/api/${path}`, {
    method,
    headers: {
      ...(type ? { 'content-type': type } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text && JSON.parse(text);
}

/**
 * Creates users with a session each, members of a group of this name if one is given. Returns their ids, identity tokens and the
 * claims of refresh tokens.
 */
export async function makeUsers(world, count, group) {
  const { rows } = await world.query(
    `with added as (
      insert into users (id, username, fullname, created_at, updated_at)
      select gen_random_uuid(), 'bench' || ((select count(*) from users) + i), 'Bench', now(), now()
      from generate_series(1, $1::int) i returning id
    ), members as (
      insert into group_members (group_id, user_id, created_at)
      select g.id, a.id, now() from groups g, added a where g.name = $2
    )
    insert into sessions (id, user_id, token_id, issued_at, created_at, last_used_at)
    select gen_random_uuid(), id, gen_random_uuid(), now(), now(), now() from added returning id, user_id, token_id`,
    [count, group],
  );
  return signTokens(world, rows);
}

/** Signs the identity tokens of sessions, which never expire. */
export function signTokens({ sign, issuer }, sessions) {
  return sessions.map(({ id, user_id, token_id }) => {
    const claims = { iss: issuer, iat: 1, nbf: 1, exp: FAR_FUTURE, sub: user_id, sid: id, jti: token_id };
    const user = { uid: user_id, username: '', groups: [], permissions: {} };
    const refreshClaims = { ...claims, jti: undefined, kind: 'refresh', id_token: token_id };
    return { user_id, token: sign({ ...claims, kind: 'identity', user }), refreshClaims };
  });
}
