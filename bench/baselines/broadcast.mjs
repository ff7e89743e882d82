// The baseline of `npm run bench:chat`: a `ws` server that sends each message to all clients of its room. With
// CONNECTION, it stores the message first, and checks nothing.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const { store } = process.env.CONNECTION ? await import('./store.mjs') : {};
const rooms = new Map();
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket, { url }) => {
  const room = rooms.get(url) ?? new Set();
  rooms.set(url, room.add(socket));
  const broadcast = (data) => {
    for (const member of room) member.send(data, { binary: false });
  };
  socket.on('message', store ? (data) => void store(data).then(() => broadcast(data)) : broadcast);
  socket.on('close', () => room.delete(socket));
  socket.on('error', () => undefined);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
