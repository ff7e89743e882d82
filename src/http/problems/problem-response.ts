import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { closeIfRequestIncomplete } from './close-if-request-incomplete.js';
import type { Problem } from './problem.js';

const HEADERS = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };

/** How long a client may take to read a problem before its connection is destroyed. */
const SOCKET_TIMEOUT_MS = 1000;

/** Sends a problem as the response. Closes the connection if the request has not been received completely. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const id = String(response.getHeader('x-request-id') ?? randomUUID());
  const body = JSON.stringify(problem.toBody(id));
  closeIfRequestIncomplete(response);
  response.writeHead(problem.getStatus(), {
    ...HEADERS,
    'x-request-id': id,
    ...problem.headers,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Sends a problem on a connection for which Node creates no response object, and closes the connection. */
export function sendProblemOnSocket(socket: Socket, problem: Problem): void {
  const id = randomUUID();
  const body = JSON.stringify(problem.toBody(id));
  const headers = {
    ...HEADERS,
    'x-request-id': id,
    ...problem.headers,
    connection: 'close',
    'content-length': Buffer.byteLength(body),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => undefined);
  setTimeout(() => socket.destroy(), SOCKET_TIMEOUT_MS).unref(); // for clients that do not close the connection
  socket.end(`HTTP/1.1 ${problem.getStatus()} ${problem.title}\r\n${lines.join('')}\r\n${body}`);
}
