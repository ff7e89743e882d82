import { type INestApplicationContext, Logger } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Config } from '../../config/config.js';
import { findHostProblem } from '../../http/http-adapter.js';
import { sendProblemOnSocket } from '../../http/problems/problem-response.js';
import { isForeignOrigin } from '../../http/origin.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { networksOf } from '../../rate-limit/client-network.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { ConnectionsService } from './connections.service.js';
import { MAX_FRAME_BYTES } from './connection.js';
import { FrameDispatcherService } from './frame-dispatcher.service.js';
import { describePage } from './describe-page.js';

const OPTIONS = {
  noServer: true,
  perMessageDeflate: false,
  maxPayload: MAX_FRAME_BYTES,
  maxFragments: 1024,
  /** How long a client may take to answer a close frame, in milliseconds. */
  closeTimeout: 3_000,
  /** Of other subprotocols, the first one is confirmed, because old clients may offer subprotocols of their own. */
  handleProtocols: (offered: Set<string>): string | false =>
    offered.has(MACHI_V2) ? MACHI_V2 : ([...offered][0] ?? false),
};

/**
 * Serves the chat gateways over raw WebSocket on the HTTP server of the application. Differs from `WsAdapter` in two
 * ways: upgrades are checked and refused with problem+json, and frames go to the frame dispatcher, which keeps their
 * order. Why: docs/decisions/chat-adapter.md.
 */
export class ChatWsAdapter extends WsAdapter {
  private readonly log = new Logger(ChatWsAdapter.name);
  private connections: ConnectionsService;
  private dispatcher: FrameDispatcherService;
  private quotas: QuotasService;

  constructor(
    private readonly app: INestApplicationContext,
    private readonly config: Config,
  ) {
    super(app);
  }

  /** Called once: all gateways have the same path and share the server. */
  override create(_port: number, { path = '/' }: { path?: string } = {}): WebSocketServer {
    this.connections = this.app.get(ConnectionsService);
    this.dispatcher = this.app.get(FrameDispatcherService);
    this.quotas = this.app.get(QuotasService);
    const webSockets = new WebSocketServer(OPTIONS);
    webSockets.on('wsClientError', ({ message: detail }, socket) =>
      sendProblemOnSocket(socket as Socket, new Problem('websocket_required', { detail })),
    );
    const server = this.httpServer as Server;
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const problem = this.refusal(request, path);
      if (problem?.getStatus() === 403)
        this.log.warn(`Refused an upgrade: 403 ${problem.code} (${describePage(request)})`);
      if (problem) return sendProblemOnSocket(socket, problem);
      return webSockets.handleUpgrade(request, socket, head, (client) =>
        webSockets.emit('connection', client, request),
      );
    });
    return webSockets;
  }

  /**
   * Called once per gateway. The gateways share the server's event streams, and the dispatcher knows the handlers of all
   * gateways: the callback of the first one is enough, and each client is bound once.
   */
  override bindClientConnect(server: WebSocketServer, callback: (...args: unknown[]) => void): void {
    if (server.listenerCount('connection') === 0) super.bindClientConnect(server, callback);
  }

  /** Called after `handleConnection`. The handlers that Nest passes are not used: they keep no order. */
  override bindMessageHandlers(client: WebSocket): void {
    const { dispatcher } = this;
    const connection = this.connections.get(client);
    client.on('error', () => undefined); // a protocol error: ws closes the connection with its code
    client.on('message', (data: RawData, isBinary) =>
      dispatcher.receive(connection, isBinary ? null : (data as Buffer).toString()),
    );
    for (const event of ['ping', 'pong'])
      client.on(event, (payload: Buffer) => dispatcher.receiveControlFrame(connection, payload.length));
  }

  /** Why an upgrade is refused; undefined if it is accepted. */
  private refusal(request: IncomingMessage, path: string): Problem | undefined {
    const hostProblem = findHostProblem(request);
    if (hostProblem) return hostProblem;
    if (request.url?.split('?', 1)[0] !== path) return new Problem('route_not_found');
    if (!(this.httpServer as Server).listening) return unavailable('busy');
    if (isForeignOrigin(request, this.config)) return new Problem('foreign_origin');
    try {
      this.quotas.consumeRequest(networksOf(this.connections.addressOf(request))); // no guard sees upgrades
    } catch (error) {
      return mapToProblem(error);
    }
    const { method, headers } = request;
    const version = Number(headers['sec-websocket-version']);
    const isHandshake = method === 'GET' && headers['sec-websocket-key'] !== undefined && [8, 13].includes(version);
    return isHandshake ? undefined : new Problem('websocket_required');
  }
}
