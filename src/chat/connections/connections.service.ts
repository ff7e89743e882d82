import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { type ChatSession, Connection, type Outflow } from './connection.js';
import { type Rate, TokenBucket } from './token-bucket.js';

/** One timer for all connections: expiry must show within a second. */
const TICK_MS = 500;
const MAX_PER_NETWORK = 200;
const MAX_PER_USER = 20;

const FRAMES: Rate = { burst: 500, perSecond: 100 };
const SENDS: Rate = { burst: 300, perSecond: 20 };
/** In characters of what a user fetches: a page of long messages is a thousand times its request. */
const READS: Rate = { burst: 8 * 1024 * 1024, perSecond: 1024 * 1024 };
/** So many frames may be refused in a row, and one a second in the long run, before the connection ends. */
const PATIENCE: Rate = { burst: 200, perSecond: 1 };

interface Person {
  connections: Set<Connection>;
  sends: TokenBucket;
  reads: TokenBucket;
}

/** The open connections, by whom they belong to, and what holds for all of them. */
@Injectable()
export class ConnectionsService implements Outflow, OnApplicationBootstrap, OnApplicationShutdown {
  readonly all = new Set<Connection>();
  waiting = 0;

  private readonly people = new Map<number, Person>();
  private readonly bySession = new Map<string, Set<Connection>>();
  private readonly perNetwork = new Map<string, number>();
  private readonly onTicks: ((now: number) => void)[] = [];
  private dirty: Connection[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Has it called twice a second. */
  onTick(callback: (now: number) => void): void {
    this.onTicks.push(callback);
  }

  now(): number {
    return this.clock.now();
  }

  /** A connection of somebody who is not known yet; closed at once when its network has too many. */
  open(socket: WebSocket, wire: Socket, network: string): Connection {
    const connection = new Connection(socket, wire, network, this, this.now());
    this.all.add(connection);
    this.perNetwork.set(network, (this.perNetwork.get(network) ?? 0) + 1);
    if (!this.isLimited) return connection;
    connection.frames = new TokenBucket(FRAMES, this.now());
    connection.patience = new TokenBucket(PATIENCE, this.now());
    if (this.perNetwork.get(network)! > MAX_PER_NETWORK) connection.close('too_many');
    return connection;
  }

  /** From now on its session's end ends it; who it is may not be known yet, and it may be gone already. */
  hold(connection: Connection, sessionId: string): void {
    if (!connection.isOpen) return;
    connection.sessionId = sessionId;
    const held = this.bySession.get(sessionId);
    if (held) held.add(connection);
    else this.bySession.set(sessionId, new Set([connection]));
  }

  /** Now it belongs to somebody. */
  admit(connection: Connection, session: ChatSession): void {
    const person = this.people.get(session.participant_id);
    if (this.isLimited && person && person.connections.size >= MAX_PER_USER) return connection.close('too_many');
    connection.session = session;
    if (person) person.connections.add(connection);
    else {
      const sends = new TokenBucket(SENDS, this.now());
      const reads = new TokenBucket(READS, this.now());
      this.people.set(session.participant_id, { connections: new Set([connection]), sends, reads });
    }
    return undefined;
  }

  /** It has closed. */
  remove(connection: Connection): void {
    const { network, sessionId, session } = connection;
    connection.forget();
    this.all.delete(connection);
    const left = this.perNetwork.get(network)! - 1;
    if (left > 0) this.perNetwork.set(network, left);
    else this.perNetwork.delete(network);
    if (sessionId !== undefined) removeFrom(this.bySession, sessionId, connection);
    if (session) this.people.get(session.participant_id)?.connections.delete(connection);
  }

  /** The connections of somebody; none is an empty answer. */
  of(participantId: number): Iterable<Connection> {
    return this.people.get(participantId)?.connections ?? NONE;
  }

  has(participantId: number): boolean {
    return (this.people.get(participantId)?.connections.size ?? 0) > 0;
  }

  sessions(): Iterable<string> {
    return this.bySession.keys();
  }

  /** The session has ended. */
  ended(sessionId: string): void {
    for (const connection of this.bySession.get(sessionId) ?? NONE) connection.close('signed_out');
  }

  /** False when the connection sends more frames than it may. */
  mayAct(connection: Connection): boolean {
    return connection.frames?.take(this.now()) ?? true;
  }

  /** False when the user sends more messages than they may. */
  maySend({ session }: Connection): boolean {
    return !this.isLimited || (this.people.get(session!.participant_id)?.sends.take(this.now()) ?? true);
  }

  /** False when the user has fetched more than they may. */
  mayFetch({ session }: Connection): boolean {
    return !this.isLimited || (this.people.get(session!.participant_id)?.reads.isOpen(this.now()) ?? true);
  }

  /** The user has fetched so many characters. */
  fetched({ session }: Connection, characters: number): void {
    this.people.get(session!.participant_id)?.reads.charge(this.now(), characters);
  }

  enlist(connection: Connection): void {
    if (this.dirty.length === 0) queueMicrotask(() => this.flush());
    this.dirty.push(connection);
  }

  private get isLimited(): boolean {
    return this.config.RATE_LIMITS === 'on';
  }

  private flush(): void {
    const { dirty } = this;
    this.dirty = [];
    for (const connection of dirty) connection.flush();
  }

  private tick(): void {
    const now = this.now();
    for (const connection of this.all) connection.check(now);
    for (const [id, { connections, sends, reads }] of this.people) {
      if (connections.size === 0 && sends.isFull(now) && reads.isFull(now)) this.people.delete(id); // a new one would be the same
    }
    for (const callback of this.onTicks) callback(now);
  }
}

const NONE: readonly Connection[] = [];

function removeFrom<Key>(sets: Map<Key, Set<Connection>>, key: Key, connection: Connection): void {
  const set = sets.get(key);
  set?.delete(connection);
  if (set?.size === 0) sets.delete(key);
}
