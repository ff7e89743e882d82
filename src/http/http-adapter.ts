import { ExpressAdapter } from '@nestjs/platform-express';
import type { Express } from 'express';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { closeIfRequestIncomplete } from './problems/close-if-request-incomplete.js';
import { isLongBody } from './bodies/long-bodies.js';
import { JsonText } from './json-text.js';
import { OpenConnections } from './open-connections.js';
import { Problem } from './problems/problem.js';
import type { ProblemCode } from './problems/problem-catalogue.js';
import { mapToProblem } from './problems/problem-mapping.js';
import { sendProblem, sendProblemOnSocket } from './problems/problem-response.js';

const SERVER_OPTIONS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** Longer than the idle timeout of common reverse proxies, which would send requests on a closing connection. */
  keepAliveTimeout: 75_000,
  /** Node checks the timeouts every 30 s by default. */
  connectionsCheckingInterval: 1000,
  /** Node would answer without a body. See `handle`. */
  requireHostHeader: false,
};

/**
 * A connection on which no byte moves for this long is closed, also while a client does not read its response. Longer
 * than any answer takes. Does not apply to WebSocket connections, which have a heartbeat.
 */
const INACTIVITY_TIMEOUT_MS = 60_000;

/** Errors of Node's parser and of its timeouts, which occur before there is a request. All others are `bad_request`. */
const CLIENT_ERRORS: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Lets Node create requests and responses with the prototypes of Express. Express would set the prototypes of each request,
 * which makes a short one take twice the CPU time. See docs/decisions/prototypes-of-express.md.
 */
function useExpressPrototypes(express: Express) {
  /**
   * Requests with an `Upgrade` header other than `websocket` stay ordinary requests (RFC 9110, section 7.8). Once a server
   * listens for upgrades, Node treats all of them as upgrades, among them the offers of HTTP/2 that Java's client sends.
   */
  class Request extends IncomingMessage {
    private isUpgradeRequested = false;

    get upgrade(): boolean {
      return (
        this.isUpgradeRequested && (this.method === 'CONNECT' || this.headers.upgrade?.toLowerCase() === 'websocket')
      );
    }

    set upgrade(isUpgradeRequested: boolean) {
      this.isUpgradeRequested = isUpgradeRequested;
    }
  }
  class Response<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {}

  express.request = Object.setPrototypeOf(Request.prototype, express.request) as typeof express.request;
  express.response = Object.setPrototypeOf(Response.prototype, express.response) as typeof express.response;
  return { IncomingMessage: Request, ServerResponse: Response };
}

/** Express on a server that reports every error as a problem, also those that Node and Express answer themselves. */
export class HttpAdapter extends ExpressAdapter {
  private connections: OpenConnections;

  override initHttpServer(): void {
    const server = createServer({ ...SERVER_OPTIONS, ...useExpressPrototypes(this.getInstance()) });
    server.timeout = INACTIVITY_TIMEOUT_MS;
    this.httpServer = server;
    this.connections = new OpenConnections(server);
    server.on('request', (request, response) =>
      this.connections.inTurn(request, response, () => this.handle(request, response)),
    );
    server.on('clientError', (error, socket) => this.handleClientError(error, socket as Socket));
    server.on('checkExpectation', (_, response: ServerResponse) => sendProblem(response, new Problem('bad_request')));
    server.on('connect', (_, socket) => sendProblemOnSocket(socket as Socket, new Problem('bad_request')));
  }

  /**
   * Sends plain objects and lists as JSON with a single write. Skips Express's content negotiation and ETag, which cost a
   * measurable part of a short request.
   */
  override reply(response: ServerResponse, body: unknown, status?: number): unknown {
    closeIfRequestIncomplete(response);
    if (!isPlain(body) && !(body instanceof JsonText)) return super.reply(response, body, status);
    const text = body instanceof JsonText ? body.text : JSON.stringify(body);
    if (status !== undefined) response.statusCode = status;
    if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json; charset=utf-8');
    response.setHeader('content-length', Buffer.byteLength(text));
    response.end(text);
    return undefined;
  }

  /** See OpenConnections.drain. */
  drain(timeoutMs: number, onTimeout: (openConnections: number) => void): () => void {
    return this.connections.drain(timeoutMs, onTimeout);
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const problem = findHostProblem(request);
    if (problem) return sendProblem(response, problem);
    const express: (...args: unknown[]) => void = this.getInstance();
    express(request, response, (error?: unknown) =>
      sendProblem(response, error ? mapToProblem(error) : new Problem('route_not_found')),
    );
  }

  /** Answers an error on a connection, after the response to an earlier request on it. */
  private handleClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const pending = this.connections.findPendingResponse(socket);
    // Node checks the time of each request once: this one goes on.
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && pending && isLongBody(pending.req)) return;
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
    } else if (pending?.req.complete) {
      if (!pending.headersSent) pending.setHeader('connection', 'close');
      pending.once('finish', () => socket.destroySoon());
    } else if (pending?.headersSent) {
      socket.destroy();
    } else {
      sendProblemOnSocket(socket, new Problem(CLIENT_ERRORS[error.code ?? ''] ?? 'bad_request'));
    }
  }
}

/** RFC 9112, section 3.2. Of several Host headers Node.js keeps the first, and a proxy may have read another one. */
export function findHostProblem({ rawHeaders, httpVersion }: IncomingMessage): Problem | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) return undefined;
  const detail = hosts === 0 ? 'The Host header is missing.' : 'There is more than one Host header.';
  return new Problem('bad_request', { detail });
}

const isPlain = (body: unknown): boolean =>
  Array.isArray(body) ||
  (body !== null && typeof body === 'object' && Object.getPrototypeOf(body) === Object.prototype);
