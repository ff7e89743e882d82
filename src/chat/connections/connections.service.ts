import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import proxyAddress from 'proxy-addr';
import type { WebSocket } from 'ws';
import type { RevocationListener } from '../../auth/sessions/session-revocations.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { parseIpAddress } from '../../http/log/request-context.js';
import { Problem } from '../../http/problems/problem.js';
import { LabelCounts } from '../../metrics/counts.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { type ClientNetwork, networksOf } from '../../rate-limit/client-network.js';
import { CLOSE_CODES, type CloseReason } from '../protocol/close-codes.js';
import { type ChatSession, Connection } from './connection.js';
import { ReceiveBudget } from './receive-budget.js';
import { SendScheduler } from './send-queue.js';
import { type Rate, TokenBucket } from './token-bucket.js';

/** One timer checks all connections. An expired token must close its connections within a second. */
const TICK_MS = 500;
const MAX_PER_NETWORK = 200;
const MAX_PER_USER = 20;

/** Limits how often a user opens connections, because each one may change the presence that contacts see. */
const OPENS: Rate = { burst: 60, perSecond: 1 };
/** Limits the messages of a user. */
export const SENDS: Rate = { burst: 300, perSecond: 20 };
/** Limits the characters of the frames of a user. Parsing a megabyte of JSON takes up to a tenth of a second. */
const RECEIVES: Rate = { burst: 8 * 1024 * 1024, perSecond: 512 * 1024 };
/** Limits the characters of the answers to a user: an answer can be a thousand times as long as its request. */
const READS: Rate = { burst: 8 * 1024 * 1024, perSecond: 1024 * 1024 };

/** Limits the requests for lists that run although the read quota is used up: their answers may be small. */
const TRIALS: Rate = { burst: 5, perSecond: 0.5 };

/** Informed about the connections of participants. */
export interface ConnectionListener {
  /** Called before a connection is admitted, which waits for it. */
  beforeConnected?(participantId: number): Promise<void>;
  onConnected?(participantId: number): void;
  /** `isClean` is false if the connection broke without a close frame. */
  onDisconnected?(participantId: number, isClean: boolean): void;
  /** Called every 500 ms with the current time. */
  onTick?(now: number): void;
  /** Called at shutdown, after all connections are closed. */
  onAllClosed?(): Promise<void>;
}

interface ParticipantConnections {
  connections: Set<Connection>;
  opens: TokenBucket;
  sends: TokenBucket;
  receives: TokenBucket;
  reads: TokenBucket;
  trials: TokenBucket;
}

/** The open connections by socket, participant, session and network, and the limits of users. */
@Injectable()
export class ConnectionsService implements RevocationListener, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly bySocket = new Map<WebSocket, Connection>();
  private readonly byParticipant = new Map<number, ParticipantConnections>();
  private readonly bySession = new Map<string, Set<Connection>>();
  private readonly countByNetwork = new Map<string, number>();
  private readonly listeners: ConnectionListener[] = [];
  private readonly scheduler: SendScheduler;
  private readonly receiveBudget = new ReceiveBudget();
  private readonly isLimited: boolean;
  private readonly isTrustedProxy: (address: string, hop: number) => boolean;
  private timer: NodeJS.Timeout | undefined;
  private opened = 0;
  private readonly closes = new LabelCounts('reason', Object.keys(CLOSE_CODES) as CloseReason[]);

  constructor(
    private readonly clock: Clock,
    config: Config,
    metrics: MetricsService,
  ) {
    this.scheduler = new SendScheduler(clock);
    this.isLimited = config.RATE_LIMITS === 'on';
    this.isTrustedProxy = proxyAddress.compile(config.TRUST_PROXY);
    this.register(metrics);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  addListener(listener: ConnectionListener): void {
    this.listeners.push(listener);
  }

  /** All connections, authenticated or not. */
  get all(): Connection[] {
    return [...this.bySocket.values()];
  }

  /** Bytes in the send queues of all connections. */
  get queuedBytes(): number {
    return this.scheduler.queuedBytes;
  }

  /** The address of the client of an upgrade, which has no request context; null if it cannot be read. */
  addressOf(request: IncomingMessage): string | null {
    return parseIpAddress(proxyAddress(request, this.isTrustedProxy));
  }

  /** Registers a connection that is not yet authenticated. Closes it at once if its network has too many. */
  open(socket: WebSocket, request: IncomingMessage): Connection {
    const { scheduler, receiveBudget, isLimited } = this;
    const ip = this.addressOf(request);
    const counted: ClientNetwork[] = [];
    const isAllowed = networksOf(ip).every((network) => {
      counted.push(network);
      const count = (this.countByNetwork.get(network.key) ?? 0) + 1;
      this.countByNetwork.set(network.key, count);
      return !isLimited || count <= MAX_PER_NETWORK * network.scale;
    });
    const onClosing = (reason: CloseReason): void => this.closes.add(reason);
    const limits = { networks: counted, receiveBudget, isLimited };
    const connection = new Connection({ socket, stream: request.socket, ip, scheduler, ...limits, onClosing });
    this.opened++;
    this.bySocket.set(socket, connection);
    if (!isAllowed) connection.close('too_many');
    return connection;
  }

  /** The connection of a socket that is open. */
  get(socket: WebSocket): Connection {
    return this.bySocket.get(socket)!;
  }

  /** Lets the revocation of this session end the connection. Called before the session is checked, once for each token. */
  bindToSession(connection: Connection, sessionId: string): void {
    if (!connection.isOpen) return;
    if (connection.sessionId !== undefined) this.unbindFromSession(connection, connection.sessionId);
    connection.bindToSession(sessionId);
    const connections = this.bySession.get(sessionId);
    if (connections) connections.add(connection);
    else this.bySession.set(sessionId, new Set([connection]));
  }

  /** Lets the listeners prepare for a connection of this participant. */
  async prepare(participantId: number): Promise<void> {
    for (const listener of this.listeners) await listener.beforeConnected?.(participantId);
  }

  /** Registers the connection with its user. Closes it if the user has too many, or opens them too fast. */
  authenticate(connection: Connection, session: ChatSession): void {
    const entry = this.byParticipant.get(session.participant_id) ?? this.addParticipant(session.participant_id);
    if (this.isLimited && entry.connections.size >= MAX_PER_USER) return connection.close('too_many');
    if (this.isLimited && !entry.opens.take(this.clock.now())) return connection.close('rate');
    connection.authenticate(session);
    entry.connections.add(connection);
    for (const listener of this.listeners) listener.onConnected?.(session.participant_id);
    return undefined;
  }

  /** Removes a connection that has closed. */
  remove(socket: WebSocket, isClean: boolean): void {
    const connection = this.get(socket);
    const { networks, sessionId } = connection;
    connection.onSocketClosed();
    this.bySocket.delete(socket);
    for (const { key } of networks) {
      const count = this.countByNetwork.get(key)! - 1;
      if (count > 0) this.countByNetwork.set(key, count);
      else this.countByNetwork.delete(key);
    }
    if (sessionId !== undefined) this.unbindFromSession(connection, sessionId);
    if (!connection.isAuthenticated) return;
    const { participant_id } = connection.session;
    this.byParticipant.get(participant_id)?.connections.delete(connection);
    for (const listener of this.listeners) listener.onDisconnected?.(participant_id, isClean);
  }

  /** To be called at shutdown, once all connections are closed. */
  async settle(): Promise<void> {
    await Promise.all(this.listeners.map(async (listener) => listener.onAllClosed?.()));
  }

  /** The connections of a participant to this node. */
  of(participantId: number): Iterable<Connection> {
    return this.byParticipant.get(participantId)?.connections ?? NONE;
  }

  isConnected(participantId: number): boolean {
    return (this.byParticipant.get(participantId)?.connections.size ?? 0) > 0;
  }

  /** The sessions whose revocation closes connections. */
  sessions(): Iterable<string> {
    return this.bySession.keys();
  }

  /** Closes the connections of a revoked session; those whose token is being checked are not admitted. */
  onRevoked(sessionId: string): void {
    for (const connection of this.bySession.get(sessionId) ?? NONE) {
      if (connection.isAuthenticated) connection.close('signed_out');
      else connection.isSessionRevoked = true;
    }
  }

  /** Takes a message from the send limit of the user. Returns false if it is exceeded. */
  takeSend(participantId: number, count = 1): boolean {
    return !this.isLimited || (this.byParticipant.get(participantId)?.sends.take(this.clock.now(), count) ?? true);
  }

  /** Like `takeSend`. Throws `rate_limited` if the limit is exceeded. */
  checkSend(participantId: number, count = 1): void {
    if (this.takeSend(participantId, count)) return;
    throw new Problem('rate_limited', { detail: 'Too many messages; wait a moment.' });
  }

  /** Takes the characters of a frame from the receive limit of the user. Returns false if it is exceeded. */
  takeReceived(participantId: number, characters: number): boolean {
    if (!this.isLimited) return true;
    return this.byParticipant.get(participantId)?.receives.take(this.clock.now(), characters) ?? true;
  }

  /** Returns false if the read quota of the user is used up. */
  hasReadQuota(participantId: number): boolean {
    return !this.isLimited || (this.byParticipant.get(participantId)?.reads.hasTokens(this.clock.now()) ?? true);
  }

  /** Returns false if a list may not be fetched although it may be small: the read quota is used up. */
  takeTrial(participantId: number): boolean {
    return this.byParticipant.get(participantId)?.trials.take(this.clock.now()) ?? true;
  }

  /** Counts the characters of an answer against the read quota of the user. */
  chargeRead(participantId: number, characters: number): void {
    this.byParticipant.get(participantId)?.reads.charge(this.clock.now(), characters);
  }

  private register(metrics: MetricsService): void {
    metrics.gauge('machi_chat_connections', 'Open connections.', () => this.bySocket.size);
    metrics.gauge('machi_chat_users', 'Users with an open connection.', () => this.countUsers());
    metrics.gauge('machi_chat_send_queue_bytes', 'Bytes that wait for slow receivers.', () => this.queuedBytes);
    metrics.total('machi_chat_connections_opened_total', 'Connections that were opened.', () => this.opened);
    const closes = 'Connections that the server has closed, by reason.';
    metrics.total('machi_chat_connections_closed_total', closes, () => this.closes.read());
  }

  private countUsers(): number {
    let count = 0;
    for (const { connections } of this.byParticipant.values()) if (connections.size > 0) count++;
    return count;
  }

  private addParticipant(participantId: number): ParticipantConnections {
    const now = this.clock.now();
    const entry: ParticipantConnections = {
      connections: new Set(),
      opens: new TokenBucket(OPENS, now),
      sends: new TokenBucket(SENDS, now),
      receives: new TokenBucket(RECEIVES, now),
      reads: new TokenBucket(READS, now),
      trials: new TokenBucket(TRIALS, now),
    };
    this.byParticipant.set(participantId, entry);
    return entry;
  }

  private unbindFromSession(connection: Connection, sessionId: string): void {
    const connections = this.bySession.get(sessionId);
    connections?.delete(connection);
    if (connections?.size === 0) this.bySession.delete(sessionId);
  }

  private tick(): void {
    const now = this.clock.now();
    for (const connection of this.bySocket.values()) connection.check(now);
    for (const [id, { connections, ...limits }] of this.byParticipant) {
      const isUnused = connections.size === 0 && Object.values(limits).every((limit) => limit.isFull(now));
      if (isUnused) this.byParticipant.delete(id); // a new entry would be equal
    }
    for (const listener of this.listeners) listener.onTick?.(now);
  }
}

const NONE: readonly Connection[] = [];
