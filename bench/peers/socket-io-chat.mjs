// A chat with Socket.IO and its Redis adapter as their documentation shows it: a room per conversation, one prepared INSERT per
// message before it is broadcast. It checks no tokens and asks nothing at a connection.
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { createServer } from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';

const { CONNECTION, REDIS_URL, KEY, TABLE } = process.env;
const INSERT = `insert into ${TABLE} (conversation_id, sender_username, content) values ($1, $2, $3)
  returning id::float8, floor(extract(epoch from sent_at))::float8 as sent_at`;

const pool = new pg.Pool({ ...JSON.parse(CONNECTION), max: 10 });
const publisher = new Redis(REDIS_URL);
const adapter = createAdapter(publisher, publisher.duplicate(), { key: KEY });
const server = createServer();
const io = new Server(server, { adapter, transports: ['websocket'], serveClient: false });

io.on('connection', (socket) => {
  const { conversation_id, username } = socket.handshake.auth;
  const room = String(conversation_id);
  void socket.join(room);
  socket.on('send_message', async ({ content }) => {
    const values = [conversation_id, username, content];
    const { rows } = await pool.query({ name: 'insert', text: INSERT, values });
    const [{ id, sent_at }] = rows;
    const message = { id, sender_username: username, conversation_id, reply_id: null, content, sent_at };
    io.to(room).emit('send_message', message);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
