import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { BusDriver, BusReceiver, WireFrame } from '../bus-driver.js';
import {
  channelsFor,
  CONNECT_TIMEOUT_MS,
  decoderFor,
  encode,
  PARTITIONS,
  sizeOfFrame,
  SUBSCRIBE_TIMEOUT_MS,
} from './redis-frames.js';

const MAX_RETRY_MS = 1_000;

/**
 * Publishes with SPUBLISH on a channel per partition of one server. Two connections, because a connection with subscriptions takes
 * no other commands.
 */
export class RedisDriver implements BusDriver {
  readonly partitions = PARTITIONS;
  readonly heartbeatPartitions = [0];
  readonly maxBytes = Infinity;
  readonly sizeOf = sizeOfFrame;
  failures = 0;
  private readonly log = new Logger(RedisDriver.name);
  private readonly channels: string[];
  private readonly publisher: Redis;
  private readonly subscriber: Redis;
  private receiver: BusReceiver | undefined;

  constructor(url: string, secretKey: string) {
    this.channels = channelsFor(secretKey);
    const options = {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 5), MAX_RETRY_MS),
    };
    this.publisher = new Redis(url, options);
    this.subscriber = new Redis(url, { ...options, autoResubscribe: false });
  }

  start(receiver: BusReceiver): void {
    this.receiver = receiver;
    const decode = decoderFor(this.channels);
    this.subscriber.on('smessageBuffer', (channel: Buffer, message: Buffer) =>
      receiver.onFrame(decode(channel, message)),
    );
    this.subscriber.on('ready', () => void this.subscribe());
    this.subscriber.on('close', () => receiver.onDisconnected('the connection to Redis was closed'));
    for (const client of [this.publisher, this.subscriber]) {
      limitHandshake(client);
      client.on('error', (error: Error) =>
        receiver.onDisconnected(error.message || String((error as NodeJS.ErrnoException).code)),
      );
      client.connect().catch(() => undefined); // it connects again by itself
    }
  }

  publish(frames: WireFrame[]): void {
    for (const frame of frames) {
      this.publisher.spublish(this.channels[frame.partition]!, encode(frame)).catch(() => this.failures++);
    }
  }

  reconnect(): void {
    for (const client of [this.publisher, this.subscriber]) client.disconnect(true);
  }

  stop(): Promise<void> {
    this.publisher.quit().catch(() => undefined);
    this.subscriber.disconnect();
    return Promise.resolve();
  }

  private async subscribe(): Promise<void> {
    const timeout = setTimeout(() => this.subscriber.disconnect(true), SUBSCRIBE_TIMEOUT_MS);
    try {
      await Promise.all(this.channels.map((channel) => this.subscriber.ssubscribe(channel)));
      this.receiver?.onConnected();
    } catch (error) {
      this.log.warn(`Subscribing to the bus failed (${(error as Error).message}); retrying`);
      if (this.subscriber.status === 'ready') this.subscriber.disconnect(true);
    } finally {
      clearTimeout(timeout);
    }
  }
}

/**
 * Closes a connection on which the server does not answer the first commands. ioredis limits only the time to connect, and a
 * connection to a frozen server, or to one that a proxy has replaced, can stay silent for ever.
 */
function limitHandshake(client: Redis): void {
  let timeout: NodeJS.Timeout | undefined;
  client.on('connect', () => (timeout = setTimeout(() => client.disconnect(true), CONNECT_TIMEOUT_MS)));
  for (const event of ['ready', 'close']) client.on(event, () => clearTimeout(timeout));
}
