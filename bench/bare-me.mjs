// The baseline of `npm run bench:me`: node:http and pg alone, verifying the same token and sending the same query.
import jwt from 'jsonwebtoken';
import { createSecretKey } from 'node:crypto';
import { createServer } from 'node:http';
import pg from 'pg';
import { PROFILE_COLUMNS, PROFILE_GROUPS } from '../dist/src/users/profile.js';

const key = createSecretKey(Buffer.from(process.env.SECRET_KEY));
const pool = new pg.Pool({ ...JSON.parse(process.env.CONNECTION), max: 20 });

/** The columns that Machi reads, for one session. */
const query = {
  name: 'authenticate',
  text: `select s.id as session_id, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = $1 and u.is_active`,
};

const server = createServer((request, response) => void answer(request, response));

async function answer(request, response) {
  try {
    const token = request.headers.authorization.slice('Bearer '.length);
    const { sid } = jwt.verify(token, key, { algorithms: ['HS256'] });
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
