// `GET /api/users/me` with node:http and pg alone: one prepared query per request.
import jwt from 'jsonwebtoken';
import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import pg from 'pg';

const key = createPublicKey(process.env.PUBLIC_KEY);
const pool = new pg.Pool({ ...JSON.parse(process.env.CONNECTION), max: 12 });
const query = { name: 'me', text: String(process.env.QUERY) };

const server = createServer((request, response) => void answer(request, response));

async function answer(request, response) {
  try {
    const token = request.headers.authorization.slice('Bearer '.length);
    const { sid } = jwt.verify(token, key, { algorithms: ['ES256'] });
    const { rows } = await pool.query({ ...query, values: [sid] });
    const body = JSON.stringify(rows[0]);
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body);
  } catch {
    response.writeHead(401).end();
  }
}
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
