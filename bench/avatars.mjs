// Measures uploads per second against sharp alone making the same sizes, delivery against express.static with the same file,
// and memory during 20 uploads. Run with `npm run bench:avatars`; takes about two minutes.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { EmbeddedPostgres } from '../dist/src/database/embedded/embedded-postgres.js';
import { interleave, median, report, startServer } from './harness.mjs';

const UPLOADS = Number(process.env.UPLOADS ?? 60);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const AT_ONCE = 20;

/** Resident MiB of a process. */
const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

const dataDir = mkdtempSync(join(tmpdir(), 'machi-bench-'));
const postgres = new EmbeddedPostgres(dataDir, { warn: console.warn });
await postgres.start();
const { connection } = postgres;
const password = randomBytes(12).toString('hex');
const servers = [];
try {
  const machi = await startServer('Machi', 'dist/src/main.js', {
    NODE_ENV: 'test',
    RATE_LIMITS: 'off',
    PORT: '0',
    SECRET_KEY: randomBytes(32).toString('hex'),
    ADMIN_PASSWORD: password,
    AVATAR_MODERATION: 'off',
    BCRYPT_COST: '10',
    STORAGE_DIR: join(dataDir, 'uploads'),
    DB_HOST: connection.host,
    DB_NAME: connection.database,
    DB_USER: connection.user,
    DB_PASSWORD: connection.password,
  });
  servers.push(machi);
  const bare = await startServer('bare', 'bench/bare-avatars.mjs', { FOLDER: dataDir });
  servers.push(bare);

  const call = async (path, method, body, token) => {
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const init = { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`${machi.url}/api/${path}`, init);
    return response.json();
  };
  const tokens = [];
  for (let i = 0; i < AT_ONCE; i++) {
    const username = `bench${i}`;
    await call('users', 'POST', { username, password, fullname: 'Bench' });
    tokens.push((await call('sessions', 'POST', { login: username, password })).identity_token);
  }

  const patches = { raw: { width: 50, height: 38, channels: 3 } }; // as detailed as a photo at every size
  const photo = await sharp(randomBytes(50 * 38 * 3), patches)
    .resize(2000, 1500)
    .jpeg({ quality: 80 })
    .toBuffer();
  const toMachi = async (i) => {
    const body = new FormData();
    body.set('avatar', new Blob([photo]), 'photo.jpg');
    const headers = { authorization: `Bearer ${tokens[i % AT_ONCE]}` };
    const response = await fetch(`${machi.url}/api/users/me/avatar`, { method: 'PUT', headers, body });
    const answer = await response.json();
    if (response.status !== 201) throw new Error(`upload: ${response.status} ${answer.code}`);
    return answer;
  };
  const toBare = async () => {
    const response = await fetch(`${bare.url}/upload`, { method: 'PUT', body: photo });
    await response.arrayBuffer();
    if (response.status !== 202) throw new Error(`bare: ${response.status}`);
  };
  /** Uploads per second with `atOnce` concurrent requests. */
  const rate = async (upload, atOnce) => {
    const start = performance.now();
    let next = 0;
    const run = async () => {
      while (next < UPLOADS) await upload(next++ % AT_ONCE);
    };
    await Promise.all(Array.from({ length: atOnce }, run));
    return UPLOADS / ((performance.now() - start) / 1000);
  };
  const ratios = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const pair = [await rate(toMachi, 4), await rate(toBare, 4)];
    if (round > 0) ratios.push(pair);
  }
  console.log(`Uploads of a JPEG of 3 megapixels, ${Math.round(photo.length / 1024)} KiB, 4 at once, ${ROUNDS} rounds`);
  console.log(
    `  Machi ${median(ratios.map(([a]) => a)).toFixed(1)}/s, sharp alone ${median(ratios.map(([, b]) => b)).toFixed(1)}/s, ratio ${median(ratios.map(([a, b]) => a / b)).toFixed(2)}\n`,
  );

  const workers = () =>
    readdirSync(`/proc/${machi.pid}/task`)
      .flatMap((task) => readFileSync(`/proc/${machi.pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean))
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('image-worker'));
  const before = rss(machi.pid);
  const peak = { machi: 0, workers: 0 };
  const watch = setInterval(() => {
    peak.machi = Math.max(peak.machi, rss(machi.pid));
    peak.workers = Math.max(
      peak.workers,
      workers().reduce((sum, pid) => sum + rss(pid), 0),
    );
  }, 20);
  await rate(toMachi, AT_ONCE);
  clearInterval(watch);
  console.log(`Memory while ${AT_ONCE} uploads run`);
  console.log(
    `  Machi ${before.toFixed(0)} MiB before, ${peak.machi.toFixed(0)} MiB at most; its ${workers().length} workers ${peak.workers.toFixed(0)} MiB together\n`,
  );

  const { id } = await toMachi(0);
  const file = await fetch(`${machi.url}/api/avatars/${id}/256.webp`);
  const bytes = Buffer.from(await file.arrayBuffer());
  if (file.status !== 200) throw new Error(`delivery: ${file.status} ${String(bytes)}`);
  writeFileSync(join(dataDir, 'avatar.webp'), bytes);
  console.log(`Delivery of ${bytes.length} bytes, express.static being "bare"`);
  const paths = new Map([
    [machi, `/api/avatars/${id}/256.webp`],
    [bare, '/static/avatar.webp'],
  ]);
  for (const server of servers) server.url += paths.get(server);
  await interleave(servers, { path: '', rounds: ROUNDS });
  report(...servers);
} finally {
  for (const server of servers) await server.stop();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
