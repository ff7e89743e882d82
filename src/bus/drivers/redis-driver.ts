import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { deriveKey } from '../../common/encryption.js';
import type { BusDriver, BusReceiver, WireFrame } from '../bus-driver.js';

/** Fixed for all versions: nodes of two versions run together during an update. */
const PARTITIONS = 128;
const MAX_RETRY_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** A subscription that is not confirmed in this time is tried again on a new connection. */
const SUBSCRIBE_TIMEOUT_MS = 3_000;

/**
 * Publishes with SPUBLISH on a channel per partition. The partition is the hash tag of its channel, so that a cluster spreads the
 * partitions over its shards. Two connections, because a connection with subscriptions takes no other commands.
 */
export class RedisDriver implements BusDriver {
  readonly partitions = PARTITIONS;
  readonly maxBytes = Infinity;
  failures = 0;
  private readonly log = new Logger(RedisDriver.name);
  private readonly channels: string[];
  private readonly publisher: Redis;
  private readonly subscriber: Redis;
  private receiver: BusReceiver | undefined;

  /** The channels have a prefix that only processes with the same SECRET_KEY know: one Redis may serve several deployments. */
  constructor(url: string, secretKey: string) {
    const prefix = `machi:${deriveKey(secretKey, 'bus').toString('hex').slice(0, 16)}`;
    this.channels = Array.from({ length: PARTITIONS }, (_, partition) => `${prefix}:{${partition}}`);
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

  sizeOf(headerBytes: number, bodyBytes: number): number {
    return 4 + headerBytes + bodyBytes;
  }

  start(receiver: BusReceiver): void {
    this.receiver = receiver;
    const partitions = new Map(this.channels.map((channel, partition) => [channel, partition]));
    this.subscriber.on('smessageBuffer', (channel: Buffer, message: Buffer) =>
      receiver.onFrame(decode(partitions.get(channel.toString('latin1'))!, message)),
    );
    this.subscriber.on('ready', () => void this.subscribe());
    this.subscriber.on('close', () => receiver.onDisconnected('the connection to Redis was closed'));
    for (const client of [this.publisher, this.subscriber]) {
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
      this.log.warn(`Subscribing failed (${(error as Error).message})`);
      if (this.subscriber.status === 'ready') this.subscriber.disconnect(true);
    } finally {
      clearTimeout(timeout);
    }
  }
}

/** The length of the header in four bytes, the header, the body. */
function encode({ header, body }: WireFrame): Buffer {
  const length = Buffer.byteLength(header);
  const message = Buffer.allocUnsafe(4 + length + (body?.length ?? 0));
  message.writeUInt32BE(length);
  message.write(header, 4);
  body?.copy(message, 4 + length);
  return message;
}

function decode(partition: number, message: Buffer): WireFrame {
  const end = 4 + message.readUInt32BE();
  return { partition, header: message.toString('utf8', 4, end), body: message.subarray(end) };
}
