import type { INestApplicationContext } from '@nestjs/common';
import { AbstractWsAdapter } from '@nestjs/websockets';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { answerRaw } from '../../http/http-adapter.js';
import { isForeignOrigin } from '../../http/origin.js';
import { Problem, unavailable } from '../../http/problem.js';
import type { Config } from '../../config/config.js';

const OPTIONS = {
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 64 * 1024,
  maxFragments: 1024,
  /** How long a client may take to answer a close frame, in milliseconds. */
  closeTimeout: 3_000,
};

/**
 * Raw WebSocket on the HTTP server that is there already. What a client sends goes to the registry of events, past
 * Nest's own message handlers: those want another shape of frame and drop what they do not understand in silence.
 */
export class ChatWsAdapter extends AbstractWsAdapter {
  constructor(
    app: INestApplicationContext,
    private readonly config: Config,
  ) {
    super(app);
  }

  override create(_port: number, { path }: { path: string }): WebSocketServer {
    const sockets = new WebSocketServer(OPTIONS);
    sockets.on('wsClientError', ({ message: detail }, socket) =>
      answerRaw(socket as Socket, new Problem('websocket_required', { detail })),
    );
    const server = this.httpServer as Server;
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const problem = this.refusal(request, path);
      if (problem) return answerRaw(socket, problem);
      return sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
    });
    return sockets;
  }

  override bindMessageHandlers(): void {
    // see the gateway
  }

  override bindClientDisconnect(): void {
    // likewise
  }

  override async close(sockets: WebSocketServer): Promise<void> {
    for (const client of sockets.clients) client.terminate();
    await new Promise((resolve) => sockets.close(resolve));
  }

  /** Why a request for WebSocket is refused, before anything is upgraded. */
  private refusal(request: IncomingMessage, path: string): Problem | undefined {
    if (request.url?.split('?', 1)[0] !== path) return new Problem('route_not_found');
    if (!(this.httpServer as Server).listening) return unavailable('busy');
    if (isForeignOrigin(request, this.config)) return new Problem('foreign_origin');
    const { method, headers } = request;
    const version = Number(headers['sec-websocket-version']);
    const isHandshake = method === 'GET' && headers['sec-websocket-key'] !== undefined && [8, 13].includes(version);
    return isHandshake ? undefined : new Problem('websocket_required');
  }
}
