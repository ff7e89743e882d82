import { ExpressAdapter } from '@nestjs/platform-express';
import { randomUUID } from 'node:crypto';
import { createServer, IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem, type ProblemCode } from './problem.js';
import { mapToProblem } from './problem-mapping.js';

const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** Longer than the idle time of the usual reverse proxies, which would otherwise race a closing connection. */
  keepAliveTimeout: 75_000,
  /** How often Node looks for requests that are late; by default every 30 s only. */
  connectionsCheckingInterval: 1000,
};

/** How long a refused client may take to read why. */
const LINGER_MS = 1000;

/** What Node's HTTP parser and its time-outs refuse before there is a request. */
const PARSER_ERRORS: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Node takes every request that asks for an upgrade out of HTTP, once anybody listens for upgrades, also those that
 * merely offer HTTP/2 (Java's client does, with each request). Those stay ordinary requests (RFC 9110, section 7.8).
 */
class Request extends IncomingMessage {
  private isAsked = false;

  get upgrade(): boolean {
    return this.isAsked && (this.method === 'CONNECT' || this.headers.upgrade?.toLowerCase() === 'websocket');
  }

  set upgrade(isAsked: boolean) {
    this.isAsked = isAsked;
  }
}

/** Express, on a server whose every refusal is a problem of ours, whoever in Node or Express refuses. */
export class HttpAdapter extends ExpressAdapter {
  private readonly sockets = new Set<Socket>();
  private readonly responses = new Set<ServerResponse>();

  override initHttpServer(): void {
    const server = createServer(
      { ...TIMEOUTS, IncomingMessage: Request, requireHostHeader: false },
      (request, response) => this.handle(request, response),
    );
    server.on('clientError', (error, socket) => this.answerClientError(error, socket as Socket));
    server.on('checkExpectation', (_, response: ServerResponse) => answer(response, new Problem('bad_request')));
    server.on('connect', (_, socket) => answerRaw(socket as Socket, new Problem('bad_request')));
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.httpServer = server;
  }

  /** Objects go out as JSON in one write, past Express's own sending: content negotiation, ETag and the like. */
  override reply(response: ServerResponse, body: unknown, status?: number): unknown {
    // Whoever was answered before the body was in may not go on sending it.
    if (!response.req.complete && !response.headersSent) response.setHeader('connection', 'close');
    if (!isPlain(body)) return super.reply(response, body, status);
    const text = JSON.stringify(body);
    if (status !== undefined) response.statusCode = status;
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.setHeader('content-length', Buffer.byteLength(text));
    response.end(text);
    return undefined;
  }

  /**
   * Ends keep-alive: each open connection closes with the answer under way, or at once when it has none. Connections
   * still open after `patienceMs` are cut, and `onLate` is told. Returns what calls this off, for when all have closed.
   */
  drain(patienceMs: number, onLate: () => void): () => void {
    const server = this.httpServer as Server;
    for (const response of this.responses) if (!response.headersSent) response.setHeader('connection', 'close');
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy(); // opened ahead of need
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    const late = setTimeout(() => {
      onLate();
      for (const socket of this.sockets) socket.destroy(); // also those that Node has let go, after CONNECT
    }, patienceMs);
    return () => {
      clearInterval(idle);
      clearTimeout(late);
    };
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    this.responses.add(response);
    response.once('close', () => this.responses.delete(response));
    if (!(this.httpServer as Server).listening) response.setHeader('connection', 'close');
    const isNamed = request.headers.host !== undefined || request.httpVersion === '1.0'; // RFC 9112, section 3.2
    if (!isNamed) return answer(response, new Problem('bad_request', { detail: 'The Host header is missing.' }));
    const express: (...args: unknown[]) => void = this.getInstance();
    express(request, response, (error?: unknown) =>
      answer(response, error ? mapToProblem(error) : new Problem('route_not_found')),
    );
  }

  /** Whatever follows a request on its connection, the answer to that request comes first. */
  private answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const pending = [...this.responses].find((response) => response.socket === socket && !response.writableEnded);
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
    } else if (pending?.req.complete) {
      if (!pending.headersSent) pending.setHeader('connection', 'close');
      pending.once('finish', () => socket.destroySoon());
    } else if (pending?.headersSent) {
      socket.destroy();
    } else {
      answerRaw(socket, new Problem(PARSER_ERRORS[error.code ?? ''] ?? 'bad_request'));
    }
  }
}

const isPlain = (body: unknown): boolean =>
  Array.isArray(body) ||
  (body !== null && typeof body === 'object' && Object.getPrototypeOf(body) === Object.prototype);

const HEADERS = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };

/** Writes a problem as the answer. A request that has not arrived in full takes its connection with it. */
export function answer(response: ServerResponse, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const id = String(response.getHeader('x-request-id') ?? randomUUID());
  const body = JSON.stringify(problem.toBody(id));
  const connection = response.req.complete ? {} : { connection: 'close' };
  response.writeHead(problem.status, { ...HEADERS, 'x-request-id': id, ...problem.headers, ...connection, 'content-length': Buffer.byteLength(body) }); // prettier-ignore
  response.end(body);
}

/** The same, where Node made no response to write to: it does not look after this socket any more either. */
export function answerRaw(socket: Socket, problem: Problem): void {
  const id = randomUUID();
  const body = JSON.stringify(problem.toBody(id));
  const headers = { ...HEADERS, 'x-request-id': id, connection: 'close', 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => undefined);
  setTimeout(() => socket.destroy(), LINGER_MS).unref(); // a client that does not close would keep it
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('')}\r\n${body}`);
}
