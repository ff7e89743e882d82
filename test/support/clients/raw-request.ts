import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends chunks of text over TCP. Returns what the server sends until it closes the connection, and the duration. */
export async function sendRaw(port: number, ...chunks: string[]): Promise<{ text: string; ms: number }> {
  const start = Date.now();
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  for (const chunk of chunks) socket.write(chunk);
  await once(socket, 'close');
  return { text, ms: Date.now() - start };
}
