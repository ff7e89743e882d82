import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import {
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import proxyAddress from 'proxy-addr';
import type { WebSocket } from 'ws';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { SessionRevocationsService } from '../../auth/sessions/session-revocations.service.js';
import { expiryOf } from '../../auth/tokens/token-claims.js';
import { Config } from '../../config/config.js';
import type { Problem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { parseIpAddress } from '../../http/request-context.js';
import { networksOf } from '../../rate-limit/client-network.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CLOSE_CODES, type CloseReason } from '../protocol/close-codes.js';
import { CHAT_PATH } from '../protocol/path.js';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';
import { describePage } from './describe-page.js';
import { ParticipantsService } from './participants.service.js';

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
  private readonly isTrustedProxy: (address: string, hop: number) => boolean;
  private isShuttingDown = false;

  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly revocations: SessionRevocationsService,
    private readonly connections: ConnectionsService,
    private readonly participants: ParticipantsService,
    config: Config,
  ) {
    this.isTrustedProxy = proxyAddress.compile(config.TRUST_PROXY);
  }

  onApplicationBootstrap(): void {
    this.revocations.addListener(this.connections);
  }

  /** Nothing is read from the socket before the connection is authenticated. */
  handleConnection(socket: WebSocket, request: IncomingMessage): void {
    const networks = networksOf(parseIpAddress(proxyAddress(request, this.isTrustedProxy)));
    const connection = this.connections.open(socket, request.socket, networks);
    if (this.isShuttingDown) return connection.close('restarting');
    if (!connection.isOpen) return undefined;
    connection.pauseReading();
    void this.authenticate(connection, request);
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

  /** Binds the connection to its session before the session is checked, so that no revocation in between is missed. */
  private async authenticate(connection: Connection, request: IncomingMessage): Promise<void> {
    try {
      const { caller, claims } = await this.authenticator.authenticateToken(request, ({ sid }) =>
        this.connections.bindToSession(connection, sid),
      );
      const participant_id = await this.participants.getId(caller.id);
      if (!connection.isOpen) return;
      const expires_at = expiryOf(claims)?.getTime() ?? Infinity;
      this.connections.authenticate(connection, { user_id: caller.id, participant_id, expires_at });
      if (connection.isOpen) connection.resumeReading();
    } catch (error) {
      const { code, cause } = mapToProblem(error);
      const reason = TOKEN_CLOSE_REASONS[code];
      if (reason)
        this.log.log(`Refused a connection: ${CLOSE_CODES[reason].slice(0, 2).join(' ')} (${describePage(request)})`);
      else this.log.warn(`Authenticating a connection failed: ${code} (${String(cause)})`);
      connection.close(reason ?? 'unavailable');
    }
  }
}
