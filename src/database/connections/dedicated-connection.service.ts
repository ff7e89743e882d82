import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Client } from 'pg';
import { MetricsService } from '../../metrics/metrics.service.js';
import type { SessionConfig } from './client-config.js';
import { destroyConnection } from './destroy-connection.js';
import { DIRECT } from './pool.js';

const RETRY_MS = 500;
/** Heartbeat interval. Detects connections that were dropped without an error. */
const HEARTBEAT_MS = 5_000;
const QUERY_TIMEOUT_MS = 2_000;
/**
 * Also frees the part of the notification queue that all listeners have read. NOTIFY frees it only after a success: once the queue
 * is full, it stays full until this function is called.
 */
const QUEUE_USAGE = 'select pg_notification_queue_usage() as usage';
/** PostgreSQL itself warns from here on, in its own log. */
const HIGH_USAGE = 0.5;

/** State of a module that exists on one connection, such as a `LISTEN` or a session-level advisory lock. */
export interface ConnectionState {
  /** Names the operation in log lines, such as `Registering chat node`. */
  operation: string;
  /** Establishes the state on a new connection. A rejection closes the connection; the next one is opened after 500 ms. */
  onConnected(client: Client): Promise<void>;
  /** Called when a connection on which the state was established, or was being established, is lost. */
  onLost?(): void;
  /** Called at shutdown, just before an established connection is closed. */
  onClosing?(client: Client): Promise<void>;
}

export interface NotificationListener {
  onNotification(payload: string): void;
  /** Called whenever `LISTEN` has succeeded, and every 5 s until it does. Finds what happened without a notification. */
  onListening(): Promise<void>;
}

/**
 * One connection outside the pool, for `LISTEN` and session-level advisory locks, which end with their connection. It
 * reconnects when it is lost. It closes in `onApplicationShutdown`: in `beforeApplicationShutdown` the state still stands.
 */
@Injectable()
export class DedicatedConnectionService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(DedicatedConnectionService.name);
  private readonly states: ConnectionState[] = [];
  private readonly listeners = new Map<string, NotificationListener>();
  private client: Client | undefined;
  /** Whether all states are established, so that notifications arrive. */
  isEstablished = false;
  private retry: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private isStopping = false;
  private losses = 0;
  private isQueueUsageHigh = false;

  constructor(
    @Inject(DIRECT) private readonly config: SessionConfig,
    metrics: MetricsService,
  ) {
    const help = 'Lost connections for notifications, and failed attempts to open one.';
    metrics.total('machi_db_listen_failures_total', help, () => this.losses);
  }

  /** Establishes a state on this and every later connection. To be called in a constructor, before the first connection. */
  hold(state: ConnectionState): void {
    this.states.push(state);
  }

  /** Listens on a channel that has no listener yet. To be called in a constructor, before the first connection. */
  listen(channel: string, listener: NotificationListener): void {
    this.listeners.set(channel, listener);
    this.hold({
      operation: `LISTEN ${channel}`,
      async onConnected(client) {
        await client.query(`listen ${channel}`);
        await listener.onListening();
      },
    });
  }

  /** Tries to connect once. The application also starts when that fails. */
  async onApplicationBootstrap(): Promise<void> {
    await this.connect();
    this.heartbeat = setInterval(() => this.checkHeartbeat(), HEARTBEAT_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.heartbeat);
    clearTimeout(this.retry);
    const { client } = this;
    if (!client) return;
    for (const state of this.states) await state.onClosing?.(client).catch(() => undefined);
    destroyConnection(client);
  }

  private async connect(): Promise<void> {
    const { config } = this;
    const name = `${config.application_name} dedicated connection`;
    const client = new Client({ ...config, application_name: name, query_timeout: QUERY_TIMEOUT_MS });
    this.client = client;
    client.on('error', () => undefined); // "end" follows
    client.on('end', () => this.onEnd(client));
    client.on('notification', ({ channel, payload = '' }) => this.listeners.get(channel)?.onNotification(payload));
    let established = 0;
    try {
      await client.connect();
      await config.onConnect(client);
      for (const state of this.states) {
        await state.onConnected(client);
        established++;
      }
      this.isEstablished = true;
    } catch (error) {
      if (this.isStopping) return;
      for (const { operation } of this.states.slice(established)) {
        this.log.warn(`${operation} failed (${reasonOf(error as Error)}); retrying in ${RETRY_MS} ms`);
      }
      destroyConnection(client);
      this.onEnd(client);
    }
  }

  /** Queries for missed events while notifications cannot arrive, so that they do not wait for the connection. */
  private checkHeartbeat(): void {
    const { client } = this;
    if (client && this.isEstablished) this.checkQueue(client).catch(() => destroyConnection(client));
    else for (const listener of this.listeners.values()) listener.onListening().catch(() => undefined);
  }

  private async checkQueue(client: Client): Promise<void> {
    const { rows } = await client.query<{ usage: number }>(QUEUE_USAGE);
    const usage = rows[0]!.usage;
    const isHigh = usage >= HIGH_USAGE;
    if (isHigh && !this.isQueueUsageHigh) {
      this.log.warn(
        `The notification queue of PostgreSQL is ${Math.floor(usage * 100)} % full: a session that listens is in a long transaction. ` +
          'End that transaction: while the queue is full, sessions cannot be revoked',
      );
    }
    this.isQueueUsageHigh = isHigh;
  }

  private onEnd(client: Client): void {
    if (this.isStopping || this.client !== client) return;
    this.client = undefined;
    this.losses++;
    this.isEstablished = false;
    for (const state of this.states) state.onLost?.();
    this.retry = setTimeout(() => void this.connect(), RETRY_MS);
  }
}

/** The message of an error of several addresses is empty. */
const reasonOf = ({ message, code }: NodeJS.ErrnoException): string => message || String(code);
