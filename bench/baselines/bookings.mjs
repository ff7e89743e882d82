// The baseline of bench/booking-requests.mjs: verifies the token, books with one prepared INSERT, and returns the appointment.
import jwt from 'jsonwebtoken';
import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { BOOK } from './book.mjs';

const key = createPublicKey(process.env.PUBLIC_KEY);
const pool = new pg.Pool({ ...JSON.parse(process.env.CONNECTION), max: 12 });

const server = createServer((request, response) => {
  book(request).then(
    (appointment) => {
      const body = JSON.stringify(appointment);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      response.writeHead(appointment ? 201 : 409, headers).end(body);
    },
    (error) => response.destroy(error),
  );
});

/** Returns null when no place could be booked. */
async function book(request) {
  const { user } = jwt.verify(request.headers.authorization.slice('Bearer '.length), key, { algorithms: ['ES256'] });
  const { registration_id, session_id } = await json(request);
  const now = new Date();
  const appointment = { id: uuidv7(), registration_id, session_id, status: 'booked', created_at: now };
  const { rowCount } = await pool.query({
    ...BOOK,
    values: [appointment.id, registration_id, user.uid, session_id, now],
  });
  return rowCount === 1 ? appointment : null;
}

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
