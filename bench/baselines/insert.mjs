// The baseline of `npm run bench:chat:sends`: prepared INSERTs into a table with the columns and indexes of `messages`,
// sequential on each connection. Prints the number per second.
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';

const { CONNECTION, CONNECTIONS, SECONDS } = process.env;
const text = `insert into bare_messages (conversation_id, sequence, revision, sender_id, nonce, content, sent_at)
  values ($1, $2, $2, 1, $3, $4, now())`;
const content = 'x'.repeat(64);
let sequence = Date.now() * 1000;
let count = 0;
let end = Infinity;

async function loop(client, conversation) {
  while (performance.now() < end) {
    await client.query({ name: 'insert', text, values: [conversation, sequence++, uuidv7(), content] });
    count++;
  }
}

const clients = Array.from({ length: Number(CONNECTIONS) }, () => new pg.Client(JSON.parse(CONNECTION)));
await Promise.all(clients.map((client) => client.connect()));
const start = performance.now();
end = start + Number(SECONDS) * 1000;
await Promise.all(clients.map(loop));
console.log(count / ((performance.now() - start) / 1000));
await Promise.all(clients.map((client) => client.end()));
