// Requests per second of `GET /api/users/me` (Bearer token, one query), compared with a bare server doing the same work.
// `npm run bench:me`; takes about a minute.
import jwt from 'jsonwebtoken';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '../dist/src/database/embedded/embedded-postgres.js';
import { interleave, report, startServer } from './harness.mjs';

const CONNECTIONS = 32;
const dataDir = mkdtempSync(join(tmpdir(), 'machi-bench-'));
const postgres = new EmbeddedPostgres(dataDir, { warn: console.warn });
await postgres.start();
const { connection } = postgres;
const SECRET_KEY = randomBytes(32).toString('hex');
const password = randomBytes(12).toString('hex');
const servers = [];
try {
  const machi = await startServer('Machi', 'dist/src/main.js', {
    NODE_ENV: 'production',
    MAX_REQUESTS_PER_MINUTE: '1000000',
    PORT: '0',
    SECRET_KEY,
    NATIONAL_ID_KEY: randomBytes(32).toString('hex'),
    NATIONAL_ID_INDEX_KEY: randomBytes(32).toString('hex'),
    ADMIN_PASSWORD: password,
    BCRYPT_COST: '10',
    DB_HOST: connection.host,
    DB_NAME: connection.database,
    DB_USER: connection.user,
    DB_PASSWORD: connection.password,
  });
  servers.push(machi);
  servers.push(await startServer('bare', 'bench/bare-me.mjs', { SECRET_KEY, CONNECTION: JSON.stringify(connection) }));
  const tokens = await openSessions(machi.url, CONNECTIONS);
  await interleave(servers, {
    path: '/api/users/me',
    connections: CONNECTIONS,
    headersOf: (number) => ({ authorization: `Bearer ${tokens[number % CONNECTIONS]}` }),
  });
  report(...servers);
} finally {
  for (const server of servers) await server.stop();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}

/**
 * Signs in once and copies the session, so that each connection has one of its own, as clients have: limits would refuse
 * so many sign-ins. Returns their tokens.
 */
async function openSessions(url, count) {
  const response = await fetch(`${url}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'admin', password }),
  });
  const claims = jwt.decode((await response.json()).identity_token);
  const client = new pg.Client(connection);
  await client.connect();
  const tokens = [];
  for (let i = 0; i < count; i++) {
    const [sid, jti] = [randomUUID(), randomUUID()];
    await client.query(`insert into sessions select (jsonb_populate_record(s, $1)).* from sessions s where id = $2`, [
      { id: sid, token_id: jti },
      claims.sid,
    ]);
    tokens.push(jwt.sign({ ...claims, sid, jti }, SECRET_KEY));
  }
  await client.end();
  return tokens;
}
