import type { ServerResponse } from 'node:http';

const LINGER_MS = 1000;

/**
 * To be called before an answer is sent. If the client still sends its body, the connection is closed after the answer: its write
 * side at once, and the rest after a second in which what arrives is discarded. A connection that is closed as a whole is reset by
 * the next bytes of the body, and the client does not read the answer (RFC 9112, section 9.6).
 */
export function closeAfterAnswer(response: ServerResponse): void {
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
