// Import of a cbz, from its first byte to the published chapter, against sharp on as many processes making the same images: of
// files that are there already, and of an archive that a bare server receives and unpacks.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { WebSocket } from 'ws';
import { startBareImport, startBareServer } from './baselines/import.mjs';
import { IMAGE_WORKERS, treeCpu, usage } from './support/harness.mjs';
import { toRows } from './support/results.mjs';
import { withWorld } from './support/world.mjs';

const KINDS_OF_SCANS = 10;
const none = () => NaN;

export const options = { rounds: 3 };

export function run({ rounds, isQuick, skip }) {
  if (!hasZip()) {
    skip('library-import: no zip');
    return [];
  }
  const pages = isQuick ? 20 : 200;
  return withWorld({}, async (world) => {
    const files = await makePages(world.dataDir, pages);
    const archive = makeArchive(world.dataDir, files);
    const importChapter = await makeImport(world, archive);
    const [alone, server] = [startBareImport(IMAGE_WORKERS), await startBareServer(IMAGE_WORKERS)];
    const imports = {
      Machi: () => measure(pages, [world.machi.pid], world.postgresCpu, importChapter),
      'sharp alone, files unpacked before': () => measure(pages, alone.pids, none, () => alone.run(files)),
      'bare server and sharp': () => measure(pages, server.pids, none, () => server.run(archive)),
    };
    try {
      const series = Object.keys(imports).map((name) => ({ name, rounds: [] }));
      for (let round = 0; round <= rounds; round++) {
        for (const { name, rounds: results } of series) {
          const result = await imports[name]();
          if (round > 0) results.push(result); // the first one warms up
        }
      }
      const title = `Import of ${pages} pages, ${Math.round(archive.length / 2 ** 20)} MiB, ${IMAGE_WORKERS} processes`;
      return toRows(title, series, { unit: 'pages/s' });
    } finally {
      alone.stop();
      server.stop();
    }
  });
}

function hasZip() {
  try {
    execFileSync('zip', ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function makePages(dataDir, pages) {
  const scans = await Promise.all(Array.from({ length: KINDS_OF_SCANS }, (_, seed) => makeScan(seed)));
  const folder = join(dataDir, 'scans');
  mkdirSync(folder);
  return Array.from({ length: pages }, (_, i) => {
    const file = join(folder, `${i + 1}.jpg`);
    writeFileSync(file, scans[i % KINDS_OF_SCANS]);
    return file;
  });
}

function makeArchive(dataDir, files) {
  const archive = join(dataDir, 'chapter.cbz');
  execFileSync('zip', ['-q', '-0', '-j', archive, ...files]);
  return readFileSync(archive);
}

/** Returns what imports the archive as the next chapter of a project. The end is told over the chat, as to a front end. */
async function makeImport({ machi, call, password }, archive) {
  const { identity_token: token } = await call('POST', 'sessions', { login: 'admin', password });
  const project = await call('POST', 'projects', { title: 'Bench', original_language: 'ja' }, token);
  const headers = { authorization: `Bearer ${token}` };
  const watcher = new WebSocket(`${machi.url}/api/ws`, 'machi.v2', { headers });
  await once(watcher, 'open');
  watcher.send(JSON.stringify({ type: 'watch_uploads' }));
  let number = 0;
  return async () => {
    const { id } = await call('POST', 'uploads', { project_id: project.id }, token);
    const { version } = await call('PUT', `uploads/${id}/archive`, archive, token);
    const chapter = { number: String(++number), language: 'en' };
    const ended = endOf(watcher, id);
    await call('POST', `uploads/${id}/commit`, { version, chapter }, token);
    const { state, problem, problem_file } = await ended;
    if (state !== 'committed') throw new Error(`${problem} in ${problem_file}`);
  };
}

/** Resolves with the last progress of an upload. One listener for all frames: several can arrive at once. */
function endOf(watcher, id) {
  return new Promise((resolve, reject) => {
    const fail = (code) => reject(new Error(`the chat closed with ${code}`));
    const listen = (bytes) => {
      const { type, data } = JSON.parse(bytes);
      if (type !== 'upload_progress' || data.upload_id !== id || data.state === 'committing') return;
      watcher.off('message', listen).off('close', fail);
      resolve(data);
    };
    watcher.on('message', listen).on('close', fail);
  });
}

/** CPU is that of the processes and their workers, per page; memory is the peak of the processes alone. */
async function measure(pages, pids, postgresCpu, work) {
  const sum = (figure) => pids.reduce((total, pid) => total + figure(pid), 0);
  const [start, cpu, pgCpu] = [performance.now(), sum(treeCpu), postgresCpu()];
  let rss = 0;
  const watch = setInterval(
    () =>
      (rss = Math.max(
        rss,
        sum((pid) => usage(pid).rss),
      )),
    100,
  );
  await work().finally(() => clearInterval(watch));
  const perPage = (seconds) => (seconds / pages) * 1e6;
  return {
    rate: (pages / (performance.now() - start)) * 1000,
    cpu: perPage(sum(treeCpu) - cpu),
    pgCpu: perPage(postgresCpu() - pgCpu),
    rss,
  };
}

/** A page as scanners make them: 1400 × 2000, lines and screen tones, half of them grey. */
function makeScan(seed) {
  const random = (n) => {
    const x = Math.sin(seed * 127.1 + n * 311.7) * 43_758.5453;
    return x - Math.floor(x);
  };
  const line = (i) =>
    `<path d="M${random(i) * 1400} ${random(i + 500) * 2000} q ${random(i + 1000) * 400} ${random(i + 1500) * 400} ${random(i + 2000) * 300} ${random(i + 2500) * 500}"
      stroke="#${i % 3 && seed % 2 ? 'a33' : '222'}" stroke-width="${1 + random(i + 3000) * 8}" fill="none"/>`;
  const tones = `<pattern id="t" width="9" height="9" patternUnits="userSpaceOnUse"><circle cx="4" cy="4" r="3"/></pattern>`;
  const area = (i) =>
    `<rect x="${random(i) * 1000}" y="${random(i + 9) * 1600}" width="400" height="400" fill="url(#t)"/>`;
  const content = [
    ...Array.from({ length: 5 }, (_, i) => area(i)),
    ...Array.from({ length: 400 }, (_, i) => line(i)),
  ].join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1400" height="2000"><defs>${tones}</defs><rect width="100%" height="100%" fill="#fafafa"/>${content}</svg>`;
  const image = sharp(Buffer.from(svg)).flatten({ background: '#fff' });
  if (seed % 2 === 0) image.toColourspace('b-w');
  return image.jpeg({ quality: 88 }).toBuffer();
}
