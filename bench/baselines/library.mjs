// The baselines of `npm run bench:library`: express.static serving the same file, and the bare query of a list of chapters,
// sent as JSON by node:http.
import express from 'express';
import { createServer } from 'node:http';
import pg from 'pg';

const { FOLDER, CONNECTION, QUERY } = process.env;
const pool = new pg.Pool({ ...JSON.parse(CONNECTION), max: 20 });
const { text, values } = JSON.parse(QUERY);
const app = express();
app.disable('x-powered-by');
app.use('/static', express.static(FOLDER, { maxAge: '1d' }));

const server = createServer((request, response) => {
  if (!request.url.startsWith('/chapters')) return app(request, response);
  return pool.query({ name: 'chapters', text, values }).then(
    ({ rows }) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ items: rows, next_cursor: null }));
    },
    (error) => response.destroy(error),
  );
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
