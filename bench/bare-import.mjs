// The baseline of `npm run bench:library:import`: sharp alone making the same images of the same files, on as many processes
// of the same priority as Machi has image workers. As a program it is one of these processes.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import sharp from 'sharp';

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
  const workers = Array.from({ length: processes }, () => fork(import.meta.filename));
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

if (process.send) {
  sharp.cache(false);
  sharp.concurrency(1);
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  process.on('message', (file) => {
    makePage(file).then(
      () => process.send(''),
      (error) => process.send(error.message),
    );
  });
}
