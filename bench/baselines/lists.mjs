// The baseline of bench/lists.mjs: one prepared query per request, and JSON.stringify. What follows a question mark is a parameter.
import { createServer } from 'node:http';
import pg from 'pg';

const pool = new pg.Pool({ ...JSON.parse(process.env.CONNECTION), max: 20 });
const lists = JSON.parse(process.env.LISTS);

const server = createServer((request, response) => void answer(request, response));

async function answer({ url }, response) {
  try {
    const [name, parameter] = url.slice(1).split('?');
    const { text, values } = lists[name];
    const { rows } = await pool.query({ name, text, values: parameter ? [...values, parameter] : values });
    const body = JSON.stringify({ items: rows, next_cursor: null });
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body);
  } catch (error) {
    response.destroy(error);
  }
}
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
