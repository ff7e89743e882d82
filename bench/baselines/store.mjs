// Stores messages for bench/baselines/broadcast.mjs: a prepared INSERT each into a table with the columns and indexes of `messages`.
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';

const pool = new pg.Pool(JSON.parse(process.env.CONNECTION));
const text = `insert into bare_messages (conversation_id, sequence, revision, sender_id, nonce, content, sent_at)
  values ($1, $2, $2, 1, $3, $4, now())`;
let sequence = Date.now() * 1000;

/** Resolves when the message of this frame is committed. */
export function store(frame) {
  const { conversation_id, content } = JSON.parse(frame).data;
  return pool.query({ name: 'insert', text, values: [conversation_id, sequence++, uuidv7(), content] });
}
