// The baselines of bench/avatars.mjs: sharp alone producing the same sizes with the same options, or with its own effort, and
// express.static serving the same file.
import express from 'express';
import { createServer } from 'node:http';
import sharp from 'sharp';

sharp.cache(false);
sharp.concurrency(1);

const app = express();
app.disable('x-powered-by');
app.use('/static', express.static(process.env.FOLDER, { immutable: true, maxAge: '365d' }));
app.put('/upload', (request, response, next) => void upload(request, response).catch(next));

async function upload(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const square = sharp(Buffer.concat(chunks), { failOn: 'error', limitInputPixels: 25_000_000 })
    .autoOrient()
    .resize(512, 512);
  const sizes = [64, 128, 256, 512];
  const options = { quality: 82, effort: Number(request.query.effort) };
  await Promise.all(sizes.map((size) => square.clone().resize(size).webp(options).toBuffer()));
  response.status(202).end();
}
const server = createServer(app);
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
