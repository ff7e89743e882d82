// The baselines of `npm run bench:library:import`: sharp alone making the same images of the same files, on as many processes of
// the same priority as Machi has image workers; and a bare server in front of them, which receives and unpacks the archive. As a
// program it is one of these processes, or with the argument `server` that server.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import sharp from 'sharp';
import yauzl from 'yauzl';

/** As in src/images/page-image.ts. */
const VARIANTS = [
  [1600, 82],
  [960, 60],
];

async function makePage(file) {
  const bytes = await readFile(file);
  const isGrey = (await sharp(bytes).metadata()).space === 'b-w';
  const { data, info } = await sharp(bytes, { failOn: 'error' })
    .autoOrient()
    .resize({ width: 1600, withoutEnlargement: true })
    .toColourspace(isGrey ? 'b-w' : 'srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  for (const [width, quality] of VARIANTS) {
    const image = sharp(data, { raw }).resize({ width, withoutEnlargement: true }).webp({ quality, effort: 2 });
    await writeFile(`${file}-${width}.webp`, await image.toBuffer());
  }
  const thumbnail = sharp(data, { raw }).resize({ width: 256, withoutEnlargement: true }).jpeg({ quality: 75 });
  await writeFile(`${file}-256.jpg`, await thumbnail.toBuffer());
  await writeFile(`${file}-original`, bytes);
}

/** Starts the processes. Returns what makes the images of all files, their ids, and what ends them. */
export function startBareImport(processes) {
  const workers = Array.from({ length: processes }, () => fork(import.meta.filename, { execArgv: [] }));
  return {
    async run(files) {
      const waiting = [...files];
      await Promise.all(
        workers.map(async (worker) => {
          for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
            worker.send(file);
            const [problem] = await once(worker, 'message');
            if (problem) throw new Error(problem);
          }
        }),
      );
    },
    pids: workers.map(({ pid }) => pid),
    stop: () => workers.forEach((worker) => worker.kill()),
  };
}

/** Starts the server with its processes. It answers a PUT of an archive when all its images are made. */
export async function startBareServer(processes) {
  const server = fork(import.meta.filename, ['server', String(processes)]);
  const [url] = await once(server, 'message');
  return {
    async run(archive) {
      const response = await fetch(url, { method: 'PUT', body: archive });
      if (!response.ok) throw new Error(await response.text());
    },
    pids: [server.pid],
    stop: () => server.disconnect(),
  };
}

function serve(processes) {
  const workers = startBareImport(processes);
  const server = createServer((request, response) => {
    importArchive(request, workers).then(
      () => response.end(),
      (error) => response.writeHead(500).end(error.stack),
    );
  });
  server.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}`));
  process.on('disconnect', () => {
    workers.stop();
    process.exit();
  });
}

async function importArchive(body, workers) {
  const folder = await mkdtemp(join(tmpdir(), 'machi-bench-import-'));
  try {
    const archive = join(folder, 'chapter.cbz');
    await pipeline(body, createWriteStream(archive));
    await workers.run(await unpack(archive, folder));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function unpack(archive, folder) {
  const zip = await yauzl.openPromise(archive);
  const files = [];
  for await (const entry of zip.eachEntry()) {
    const file = join(folder, String(files.length));
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(file));
    files.push(file);
  }
  return files;
}

if (process.argv[2] === 'server') serve(Number(process.argv[3]));
else if (process.argv[1] === import.meta.filename) {
  sharp.cache(false);
  sharp.concurrency(1);
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  process.on('message', (file) => {
    makePage(file).then(
      () => process.send(''),
      (error) => process.send(error.message),
    );
  });
  process.on('disconnect', () => process.exit());
}
