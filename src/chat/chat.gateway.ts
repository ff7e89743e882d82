import { type BeforeApplicationShutdown, Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { type OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import proxyAddress from 'proxy-addr';
import type { RawData, WebSocket } from 'ws';
import { AuthenticatorService } from '../auth/authenticator.service.js';
import { SessionRevocationsService } from '../auth/sessions/session-revocations.service.js';
import { endOf } from '../auth/tokens/tokens.service.js';
import { Problem } from '../http/problem.js';
import { parseIpAddress } from '../http/request-context.js';
import { mapToProblem } from '../http/problem-mapping.js';
import { Config } from '../config/config.js';
import { POOL } from '../database/database.module.js';
import { networkOf } from '../rate-limit/client-network.js';
import { DispatcherService } from './dispatcher.service.js';
import { PresenceService } from './presence/presence.service.js';
import type { CloseReason } from './protocol/close-codes.js';
import type { Connection } from './connections/connection.js';
import { ConnectionsService } from './connections/connections.service.js';

export const PATH = '/api/ws';

/** Of a large number of connections not all are sent away at once: they come back to somebody. */
const WAVES = 10;
const WAVE_SIZE = 50;
const WAVE_MS = 100;

const NO_FAREWELL = 1006; // RFC 6455, section 7.1.5

const CLOSED: Partial<Record<Problem['code'], CloseReason>> = {
  token_required: 'token_required',
  token_expired: 'token_invalid',
  invalid_token: 'token_invalid',
};

/** The door of the chat: who connects, until when, and what is heard from them goes to the dispatcher. */
@WebSocketGateway({ path: PATH })
export class ChatGateway implements OnGatewayConnection<WebSocket>, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(ChatGateway.name);
  private readonly isTrusted: (address: string, hop: number) => boolean;
  private isStopping = false;

  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly endings: SessionRevocationsService,
    private readonly connections: ConnectionsService,
    private readonly dispatcher: DispatcherService,
    private readonly presences: PresenceService,
    @Inject(POOL) private readonly pool: Pool,
    config: Config,
  ) {
    this.isTrusted = proxyAddress.compile(config.TRUST_PROXY);
  }

  async onApplicationBootstrap(): Promise<void> {
    this.endings.watch(this.connections);
    await this.presences.start();
  }

  /** Nothing is read from the socket until it is known whose it is. */
  handleConnection(socket: WebSocket, request: IncomingMessage): void {
    const network = networkOf(parseIpAddress(proxyAddress(request, this.isTrusted)));
    const connection = this.connections.open(socket, request.socket, network);
    socket.on('error', () => undefined); // a protocol fault: ws has closed with its code
    socket.on('close', (code) => this.closed(connection, code));
    for (const control of ['ping', 'pong']) socket.on(control, () => this.dispatcher.receiveControl(connection));
    socket.on('message', (data: RawData, isBinary) =>
      this.dispatcher.receive(connection, isBinary ? undefined : (data as Buffer).toString()),
    );
    if (this.isStopping) return connection.close('restarting');
    if (!connection.isOpen) return undefined;
    connection.pause();
    void this.admit(connection, request);
    return undefined;
  }

  /** What has been received is answered, and reaches everybody; then all are sent away, in waves. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    const all = [...this.connections.all];
    for (const connection of all) connection.stopListening();
    await Promise.all(all.map((connection) => this.dispatcher.settle(connection)));
    const size = Math.max(WAVE_SIZE, Math.ceil(all.length / WAVES));
    const farewells: Promise<void>[] = [];
    for (let i = 0; i < all.length; i += size) {
      if (i > 0) await sleep(WAVE_MS);
      farewells.push(...all.slice(i, i + size).map((connection) => this.sendAway(connection)));
    }
    await Promise.all(farewells);
    await this.presences.settle();
  }

  /** The session is held before it is looked up: its end cannot fall between the two. */
  private async admit(connection: Connection, request: IncomingMessage): Promise<void> {
    try {
      const claims = await this.authenticator.read(request);
      this.connections.hold(connection, claims.sid);
      const user = await this.authenticator.caller(claims);
      const participant_id = await this.participantOf(user.id);
      if (!connection.isOpen) return;
      const expires_at = endOf(claims)?.getTime() ?? Infinity;
      this.connections.admit(connection, { user_id: user.id, participant_id, expires_at });
      if (!connection.isOpen) return;
      this.presences.arrived(participant_id);
      connection.listen();
    } catch (error) {
      const { code, cause } = mapToProblem(error);
      if (!CLOSED[code]) this.log.warn(`a connection could not be admitted: ${code} (${String(cause)})`);
      connection.close(CLOSED[code] ?? 'unavailable');
    }
  }

  private async participantOf(userId: string): Promise<number> {
    const { rows } = await this.pool.query<{ id: string }>({
      name: 'chat-participant',
      text: 'select id from participants where user_id = $1',
      values: [userId],
    });
    if (!rows[0]) throw new Problem('invalid_token');
    return Number(rows[0].id);
  }

  private closed(connection: Connection, code: number): void {
    this.connections.remove(connection);
    const { session } = connection;
    if (session) this.presences.left(session.participant_id, code !== NO_FAREWELL);
  }

  private async sendAway(connection: Connection): Promise<void> {
    const { socket } = connection;
    if (!this.connections.all.has(connection)) return; // it has gone by itself
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    connection.close('restarting');
    await closed;
  }
}
