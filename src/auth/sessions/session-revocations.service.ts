import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Client, type ClientConfig, type Pool } from 'pg';
import type { Socket } from 'node:net';
import { POOL } from '../../database/database.module.js';

/** The channel that a trigger on `sessions` notifies, whoever ends a session and wherever. */
const CHANNEL = 'session_ended';
const RETRY_MS = 500;
/** How often the connection is tried: one that a network has silently dropped looks like one with nothing to tell. */
const PULSE_MS = 5_000;
const PULSE_TIMEOUT_MS = 2_000;

/** Somebody who serves a session for longer than a request: a socket. */
export interface RevocationListener {
  /** The ids of the sessions it serves now. */
  sessions(): Iterable<string>;
  /** Called once a session has ended, or one of `sessions()` is found to have ended unheard. */
  ended(sessionId: string): void;
}

/**
 * Tells of sessions that end, on every node, as soon as the transaction that ends them is committed. It listens on a
 * connection of its own; what ended while that was lost is found by asking when it is back.
 */
@Injectable()
export class SessionRevocationsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(SessionRevocationsService.name);
  private readonly holders = new Set<RevocationListener>();
  private client: Client | undefined;
  private retry: NodeJS.Timeout | undefined;
  private pulse: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Returns what ends the watch. */
  watch(holder: RevocationListener): () => void {
    this.holders.add(holder);
    return () => this.holders.delete(holder);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.listen();
    this.pulse = setInterval(() => this.feelPulse(), PULSE_MS);
  }

  onApplicationShutdown(): void {
    this.isStopping = true;
    clearInterval(this.pulse);
    clearTimeout(this.retry);
    if (this.client) cut(this.client);
  }

  private async listen(): Promise<void> {
    const client = (this.client = new Client(connectionOf(this.pool)));
    client.on('error', () => undefined); // "end" follows
    client.on('end', () => this.lost(client));
    client.on('notification', ({ payload = '' }) => this.tell([payload]));
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      await this.tellMissed();
    } catch (error) {
      this.log.warn(`session endings are not heard (${(error as Error).message}): trying again`);
      cut(client);
      this.lost(client);
    }
  }

  private feelPulse(): void {
    const { client } = this;
    client?.query('select').catch(() => cut(client));
  }

  private lost(client: Client): void {
    if (this.isStopping || this.client !== client) return;
    this.client = undefined;
    this.retry = setTimeout(() => void this.listen(), RETRY_MS);
  }

  private async tellMissed(): Promise<void> {
    const held = [...this.holders].flatMap((holder) => [...holder.sessions()]);
    if (held.length === 0) return;
    const gone = 'select id from unnest($1::uuid[]) as held (id) except select id from sessions';
    const { rows } = await this.pool.query<{ id: string }>(gone, [held]);
    this.tell(rows.map(({ id }) => id));
  }

  private tell(sessionIds: string[]): void {
    for (const holder of this.holders) for (const id of sessionIds) holder.ended(id);
  }
}

/** As the pool connects; its password is hidden from copying. */
const connectionOf = ({ options }: Pool): ClientConfig => ({
  ...options,
  password: options.password,
  application_name: 'machi listener',
  query_timeout: PULSE_TIMEOUT_MS,
});

/** Without a farewell, which a dead connection would not take. */
function cut(client: Client): void {
  (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
}
