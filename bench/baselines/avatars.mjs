// The baselines of bench/avatars.mjs: sharp alone producing the same sizes with the same options, or with its own effort, on threads
// of the server or on as many processes of the same priority as Machi has image workers; and express.static serving the same
// file. As a program it is the server, or with the argument `worker` one of these processes.
import express from 'express';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { constants, setPriority } from 'node:os';
import pLimit from 'p-limit';
import sharp from 'sharp';

sharp.cache(false);
sharp.concurrency(1);

async function makeSizes(bytes, effort) {
  const square = sharp(bytes, { failOn: 'error', limitInputPixels: 25_000_000 }).autoOrient().resize(512, 512);
  const sizes = [64, 128, 256, 512];
  return Promise.all(sizes.map((size) => square.clone().resize(size).webp({ quality: 82, effort }).toBuffer()));
}

function serve() {
  const workers = Array.from({ length: Number(process.env.PROCESSES) }, () =>
    fork(import.meta.filename, ['worker'], { serialization: 'advanced', execArgv: [] }),
  );
  for (const worker of workers) worker.on('exit', () => process.exit(1)); // the bench fails instead of waiting for it
  const limit = pLimit(workers.length);
  /** Returns the images that the next free process has made. */
  const makeInProcess = (bytes, effort) =>
    limit(async () => {
      const worker = workers.pop();
      worker.send({ bytes, effort });
      const [images] = await once(worker, 'message');
      workers.push(worker);
      return images;
    });

  const app = express();
  app.disable('x-powered-by');
  app.use('/static', express.static(process.env.FOLDER, { immutable: true, maxAge: '365d' }));
  app.put('/:kind', (request, response, next) => {
    const make = request.params.kind === 'processes' ? makeInProcess : makeSizes;
    upload(request, response, make).catch(next);
  });
  const server = createServer(app);
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
  process.on('SIGTERM', () => process.exit(0));
}

async function upload(request, response, make) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  await make(Buffer.concat(chunks), Number(request.query.effort));
  response.status(202).end();
}

if (process.argv[2] === 'worker') {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  process.on('message', ({ bytes, effort }) => {
    makeSizes(bytes, effort).then(
      (images) => process.send(images),
      () => process.exit(1),
    );
  });
  process.on('disconnect', () => process.exit());
} else serve();
