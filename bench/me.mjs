// Requests per second of `GET /api/users/me` (Bearer token, one query), compared with a bare server doing the same work.
// `npm run bench:me`; takes about a minute.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../dist/src/database/embedded/embedded-postgres.js';
import { interleave, report, startServer } from './harness.mjs';

const dataDir = mkdtempSync(join(tmpdir(), 'machi-bench-'));
const postgres = new EmbeddedPostgres(dataDir, { info() {}, warn: console.warn });
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
    ADMIN_PASSWORD: password,
    BCRYPT_COST: '10',
    DB_HOST: connection.host,
    DB_NAME: connection.database,
    DB_USER: connection.user,
    DB_PASSWORD: connection.password,
  });
  servers.push(machi);
  servers.push(await startServer('bare', 'bench/bare-me.mjs', { SECRET_KEY, CONNECTION: JSON.stringify(connection) }));
  const response = await fetch(`${machi.url}/api/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'admin', password }),
  });
  const { identity_token } = await response.json();
  await interleave(servers, { path: '/api/users/me', headers: { authorization: `Bearer ${identity_token}` } });
  report(...servers);
} finally {
  for (const server of servers) await server.stop();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
