// Avatar uploads per second against sharp making the same sizes, in one process and in as many as Machi has; delivery against
// express.static with the same file; and memory during 20 uploads.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { IMAGE_WORKERS, interleave, usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { makeUsers, withWorld } from './support/world.mjs';

const AT_ONCE = 20;
/** Of the WebP encoder: see src/images/square-image.ts. */
const EFFORT = 2;
const SHARP_EFFORT = 4;

export const options = { seconds: 4, rounds: 5, uploads: 60 };

export function run({ seconds, rounds, uploads = 40, isQuick }) {
  return withWorld({ AVATAR_MODERATION: 'off' }, async (world) => {
    const env = { FOLDER: world.dataDir, PROCESSES: String(IMAGE_WORKERS) };
    const bare = await world.start('sharp alone', 'bench/baselines/avatars.mjs', env);
    const photo = await makePhoto();
    const users = await makeUsers(world, AT_ONCE);
    const form = await makeForm(photo);
    const toMachi = async (i) => {
      const headers = { ...form.headers, authorization: `Bearer ${users[i].token}` };
      const url = `${world.machi.url}/api/users/me/avatar`;
      return JSON.parse(await send(url, { method: 'PUT', headers, body: form.body }));
    };
    const toBare = (kind, effort) => () => send(`${bare.url}/${kind}?effort=${effort}`, { method: 'PUT', body: photo });
    const series = [
      { ...world.machi, upload: toMachi, rounds: [] },
      ...(isQuick ? [EFFORT] : [SHARP_EFFORT, EFFORT]).map((effort) => ({
        ...bare,
        name: `sharp alone, ${effort === EFFORT ? `effort ${EFFORT} as Machi` : `its default effort ${SHARP_EFFORT}`}`,
        upload: toBare('threads', effort),
        rounds: [],
      })),
      {
        ...bare,
        name: `bare server and sharp, ${IMAGE_WORKERS} processes`,
        upload: toBare('processes', EFFORT),
        rounds: [],
      },
    ];
    for (let round = 0; round <= rounds; round++) {
      for (const { pid, upload, rounds: results } of series) {
        const result = await measure(pid, uploads, 4, upload);
        if (round > 0) results.push(result);
      }
    }
    const peak = await measure(world.machi.pid, uploads, AT_ONCE, toMachi);
    return [
      ...toRows(`Avatar uploads, 3 megapixels, 4 at once`, series, { unit: 'uploads/s' }),
      ...toRows(`Avatar uploads, ${AT_ONCE} at once`, [{ name: 'Machi', rounds: [peak] }], { unit: 'uploads/s' }),
      ...(await compareDelivery(world, bare, await toMachi(0), { seconds, rounds })),
    ];
  });
}

/** As detailed as a photo at every size. */
function makePhoto() {
  return sharp(randomBytes(50 * 38 * 3), { raw: { width: 50, height: 38, channels: 3 } })
    .resize(2000, 1500)
    .jpeg({ quality: 80 })
    .toBuffer();
}

/** The body is made once, so that the client does the same for all servers. */
async function makeForm(photo) {
  const form = new FormData();
  form.set('avatar', new Blob([photo]), 'photo.jpg');
  const encoded = new Response(form);
  return {
    headers: { 'content-type': encoded.headers.get('content-type') },
    body: Buffer.from(await encoded.arrayBuffer()),
  };
}

async function send(url, request) {
  const response = await fetch(url, request);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return text;
}

/** CPU and the peak of memory are those of the process and its image workers. */
async function measure(pid, uploads, atOnce, upload) {
  const [start, before] = [performance.now(), usageWithWorkers(pid).cpu];
  let rss = 0;
  const watch = setInterval(() => (rss = Math.max(rss, usageWithWorkers(pid).rss)), 20);
  let next = 0;
  const loop = async () => {
    while (next < uploads) await upload(next++ % AT_ONCE);
  };
  await Promise.all(Array.from({ length: atOnce }, loop)).finally(() => clearInterval(watch));
  const cpu = ((usageWithWorkers(pid).cpu - before) / uploads) * 1e6;
  return { rate: uploads / ((performance.now() - start) / 1000), cpu, rss };
}

function usageWithWorkers(pid) {
  const workers = readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => childrenOf(pid, task))
    .filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').match(/image-worker|baselines\/avatars/));
  const all = [pid, ...workers].map(usage);
  return { cpu: all.reduce((sum, { cpu }) => sum + cpu, 0), rss: all.reduce((sum, { rss }) => sum + rss, 0) };
}

/** The processes that a thread has started. */
function childrenOf(pid, task) {
  try {
    return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return []; // the thread has just ended
    throw error;
  }
}

async function compareDelivery({ machi, dataDir }, bare, { id }, { seconds, rounds }) {
  const file = await fetch(`${machi.url}/api/avatars/${id}/256.webp`);
  const bytes = Buffer.from(await file.arrayBuffer());
  if (file.status !== 200) throw new Error(`delivery: ${file.status} ${String(bytes)}`);
  writeFileSync(join(dataDir, 'avatar.webp'), bytes);
  const targets = [
    { ...machi, url: `${machi.url}/api/avatars/${id}/256.webp`, rounds: [] },
    { ...bare, name: 'express.static', url: `${bare.url}/static/avatar.webp`, rounds: [] },
  ];
  await interleave(targets, { path: '', seconds, rounds });
  return toRows(`Delivery of an avatar of ${Math.round(bytes.length / 1024)} KiB`, targets);
}
