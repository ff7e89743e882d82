import { Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import type { DedicatedConnectionService } from '../../database/connections/dedicated-connection.service.js';
import type { BusDriver, BusReceiver, WireFrame } from '../bus-driver.js';

const CHANNEL = 'bus';
/** PostgreSQL refuses payloads of 8,000 bytes. */
const MAX_BYTES = 7_999;
/** Frames that wait while the database does not answer; the oldest are lost. */
const MAX_WAITING = 1_000;

/** One transaction, and thus one lock of the notification queue, for all frames that wait. */
const NOTIFY = `select pg_notify('${CHANNEL}', payload) from unnest($1::text[]) as payload`;

/**
 * Publishes with NOTIFY, after the commits that the frames report, and listens on the dedicated connection. One partition, so
 * that a flush is one notification.
 */
export class PostgresDriver implements BusDriver {
  readonly partitions = 1;
  readonly heartbeatPartitions = [0];
  readonly maxBytes = MAX_BYTES;
  failures = 0;
  private readonly log = new Logger(PostgresDriver.name);
  private receiver: BusReceiver | undefined;
  private isListening = false;
  private waiting: string[] = [];
  private publishing: Promise<void> | undefined;
  private isFailing = false;

  constructor(
    private readonly pool: Pool,
    connection: DedicatedConnectionService,
  ) {
    connection.listen(CHANNEL, {
      onNotification: (payload) => this.receive(payload),
      onListening: () => Promise.resolve(),
    });
    connection.hold({
      operation: `Receiving from the channel ${CHANNEL}`,
      onConnected: () => Promise.resolve(this.onListening()),
      onLost: () => this.onLost(),
    });
  }

  sizeOf(headerBytes: number, bodyBytes: number): number {
    return headerBytes + 1 + Math.ceil(bodyBytes / 3) * 4;
  }

  start(receiver: BusReceiver): void {
    this.receiver = receiver;
    if (this.isListening) receiver.onConnected();
  }

  publish(frames: WireFrame[]): void {
    for (const frame of frames) this.waiting.push(toPayload(frame));
    if (this.waiting.length > MAX_WAITING)
      this.failures += this.waiting.splice(0, this.waiting.length - MAX_WAITING).length;
    this.publishing ??= this.publishWaiting().finally(() => (this.publishing = undefined));
  }

  /** The dedicated connection checks itself. */
  reconnect(): void {}

  async stop(): Promise<void> {
    await this.publishing;
  }

  /** One statement at a time, because notifications of concurrent ones could arrive in another order. */
  private async publishWaiting(): Promise<void> {
    while (this.waiting.length > 0) {
      const payloads = this.waiting.splice(0);
      await this.pool.query({ name: 'bus-notify', text: NOTIFY, values: [payloads] }).then(
        () => (this.isFailing = false),
        (error: Error) => this.onFailure(error, payloads.length),
      );
    }
  }

  /** Logs the first failure of an outage: there is one at least each second, and one per message under load. */
  private onFailure({ message }: Error, frames: number): void {
    this.failures += frames;
    if (!this.isFailing) this.log.warn(`Publishing to the bus failed (${message}); frames are lost until it succeeds`);
    this.isFailing = true;
  }

  private onListening(): void {
    this.isListening = true;
    this.receiver?.onConnected();
  }

  private onLost(): void {
    this.isListening = false;
    this.receiver?.onDisconnected('the dedicated connection to the database was lost');
  }

  private receive(payload: string): void {
    const end = payload.indexOf('\n');
    const body = end < 0 ? null : Buffer.from(payload.slice(end + 1), 'base64');
    this.receiver?.onFrame({ partition: 0, header: end < 0 ? payload : payload.slice(0, end), body });
  }
}

const toPayload = ({ header, body }: WireFrame): string =>
  body === null ? header : `${header}\n${body.toString('base64')}`;
