// `GET /api/users/me` with Express and pg alone: one prepared query per request.
import express from 'express';
import jwt from 'jsonwebtoken';
import { createPublicKey } from 'node:crypto';
import pg from 'pg';

const key = createPublicKey(process.env.PUBLIC_KEY);
const pool = new pg.Pool({ ...JSON.parse(process.env.CONNECTION), max: 12 });
const query = { name: 'me', text: String(process.env.QUERY) };
const app = express();

function authenticate(request, response, next) {
  try {
    const token = request.headers.authorization.slice('Bearer '.length);
    request.session = jwt.verify(token, key, { algorithms: ['ES256'] });
  } catch {
    return response.sendStatus(401);
  }
  return next();
}

async function getMe(request, response) {
  const { rows } = await pool.query({ ...query, values: [request.session.sid] });
  if (rows.length === 0) response.sendStatus(401);
  else response.json(rows[0]);
}

// oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 handles rejections
app.get('/api/users/me', authenticate, getMe);
const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
