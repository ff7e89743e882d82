import { randomUUID } from 'node:crypto';
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem, type ProblemCode } from './problem.js';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time of the usual reverse proxies, which would otherwise race a closing connection. */
const KEEP_ALIVE_MS = 75_000;
/** How often Node looks for requests that are too late; by default every 30 s only. */
const CHECK_MS = 1000;

/** What Node's HTTP parser and its time-outs refuse before there is a request. */
const CODES: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

const answering = new WeakMap<Server, Set<ServerResponse>>();

export function configureServer(server: Server): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  Object.assign(server, { connectionsCheckingInterval: CHECK_MS });
  server.on('clientError', answerClientError);

  const responses = new Set<ServerResponse>();
  answering.set(server, responses);
  server.prependListener('request', (_, response) => {
    responses.add(response);
    response.once('close', () => responses.delete(response));
    if (!server.listening) response.setHeader('connection', 'close');
  });
}

/**
 * Ends keep-alive: each open connection closes with the answer under way, or at once when it has none. Connections still
 * open after `patienceMs` are cut, and `onLate` is told. Returns what calls this off, for when the server has closed.
 */
export function drainConnections(server: Server, patienceMs: number, onLate: () => void): () => void {
  for (const response of answering.get(server) ?? []) {
    if (!response.headersSent) response.setHeader('connection', 'close');
  }
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => {
    onLate();
    server.closeAllConnections();
  }, patienceMs);
  return () => {
    clearInterval(idle);
    clearTimeout(late);
  };
}

/** Requests that never became one get the same kind of problem as all others. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = new Problem(CODES[error.code ?? ''] ?? 'bad_request');
  const id = randomUUID();
  const body = JSON.stringify(problem.toBody(id));
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: application/problem+json\r\n` +
      `x-request-id: ${id}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
