import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import {
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { SessionRevocationsService } from '../../auth/sessions/session-revocations.service.js';
import type { Problem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CLOSE_CODES, type CloseReason } from '../protocol/close-codes.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { AuthenticatedDto, AuthFrame } from './admission.dto.js';
import { AdmissionService } from './admission.service.js';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';
import { describePage } from './describe-page.js';

/** At shutdown connections are closed in waves, so that the clients do not all connect to another node at once. */
const WAVES = 10;
const MIN_WAVE_SIZE = 50;
const WAVE_INTERVAL_MS = 100;

/** The code of a connection that ended without a close frame (RFC 6455, section 7.1.5). */
const ABNORMAL_CLOSURE = 1006;

const TOKEN_CLOSE_REASONS: Partial<Record<Problem['code'], CloseReason>> = {
  token_required: 'token_required',
  token_expired: 'token_expired',
  invalid_token: 'token_invalid',
};

/** Opens, authenticates and closes connections. */
@WebSocketGateway({ path: CHAT_PATH })
export class ConnectionsGateway
  implements
    OnGatewayConnection<WebSocket>,
    OnGatewayDisconnect<WebSocket>,
    OnApplicationBootstrap,
    BeforeApplicationShutdown
{
  private readonly log = new Logger(ConnectionsGateway.name);
  private isShuttingDown = false;

  constructor(
    private readonly admission: AdmissionService,
    private readonly revocations: SessionRevocationsService,
    private readonly connections: ConnectionsService,
  ) {}

  onApplicationBootstrap(): void {
    this.revocations.addListener(this.connections);
  }

  /** Nothing is read from the socket before the connection is authenticated. */
  handleConnection(socket: WebSocket, request: IncomingMessage): void {
    const connection = this.connections.open(socket, request);
    if (this.isShuttingDown) return connection.close('restarting');
    if (!connection.isOpen) return undefined;
    connection.pauseReading();
    void this.admit(connection, request);
    return undefined;
  }

  /** The adapter passes the close code as the reason. */
  handleDisconnect(socket: WebSocket, code?: string | number): void {
    this.connections.remove(socket, code !== ABNORMAL_CLOSURE);
  }

  @SubscribeMessage('ping')
  @ChatEvent({
    summary: 'Checks that the connection works.',
    response: 'pong',
    sentTo: 'the requester',
    mode: 'immediate',
  })
  ping(): string {
    return 'pong';
  }

  @SubscribeMessage('auth')
  @ChatEvent({
    summary:
      'Authenticates a connection that was opened without a token, or renews one with a fresh token of its session.',
    request: AuthFrame,
    response: AuthenticatedDto,
    sentTo: 'the requester',
    protocol: MACHI_V2,
    mode: 'authentication',
  })
  async authenticate(connection: Connection, request: AuthFrame): Promise<AuthenticatedDto | undefined> {
    try {
      return await this.admission.authenticate(connection, request);
    } catch (error) {
      if (connection.isAuthenticated) throw error; // it stays open until its token expires
      this.refuse(connection, error);
      return undefined;
    }
  }

  /** Answers what has been received, then closes all connections in waves. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isShuttingDown = true;
    const { all } = this.connections;
    for (const connection of all) connection.stopReading();
    await Promise.all(all.map(({ received }) => received.whenIdle()));
    const size = Math.max(MIN_WAVE_SIZE, Math.ceil(all.length / WAVES));
    const closed: Promise<void>[] = [];
    for (let i = 0; i < all.length; i += size) {
      if (i > 0) await sleep(WAVE_INTERVAL_MS);
      closed.push(...all.slice(i, i + size).map((connection) => connection.closeAndWait('restarting')));
    }
    await Promise.all(closed);
    await this.connections.settle();
  }

  private async admit(connection: Connection, request: IncomingMessage): Promise<void> {
    try {
      await this.admission.admitUpgrade(connection, request);
    } catch (error) {
      this.refuse(connection, error, ` (${describePage(request)})`);
    }
  }

  private refuse(connection: Connection, error: unknown, page = ''): void {
    const { code, cause } = mapToProblem(error);
    // The chat app's document knows no reason for expired tokens.
    const reason = code === 'token_expired' && !connection.isV2 ? 'token_invalid' : TOKEN_CLOSE_REASONS[code];
    if (reason) {
      const { code: closeCode, reason: text } = CLOSE_CODES[reason];
      this.log.log(`Refused a connection: ${closeCode} ${text}${page}`);
    } else this.log.warn(`Authenticating a connection failed: ${code} (${String(cause)})`);
    connection.close(reason ?? 'unavailable');
  }
}
