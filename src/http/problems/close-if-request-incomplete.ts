import type { ServerResponse } from 'node:http';

const LINGER_MS = 1000;

/**
 * To be called before an answer is sent. Does nothing if the request has arrived completely. Otherwise the connection is closed
 * after the answer: the write side at once, the rest a second later; what arrives meanwhile is discarded. If all were closed at
 * once, the next bytes of the body would reset the connection, and the client would not read the answer (RFC 9112, section 9.6).
 */
export function closeIfRequestIncomplete(response: ServerResponse): void {
  const { req: request, socket } = response;
  if (request.complete || response.headersSent) return;
  response.setHeader('connection', 'close');
  if (!socket) return;
  // Node.js calls this once the answer is sent.
  socket.destroySoon = () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
    socket.end();
    request.resume();
  };
}
