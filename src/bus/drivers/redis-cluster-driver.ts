import calculateSlot from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** How often the client asks which shard has which channel: one that only receives is not told that a channel has moved. */
const SLOTS_REFRESH_MS = 2_000;
const RETRY_MS = 500;
const DEFAULT_PORT = 6379;

/**
 * Publishes with SPUBLISH on a channel per partition. The cluster spreads the channels over its shards; the client has a connection
 * for subscriptions to each shard, and follows channels that move to another one.
 */
export class RedisClusterDriver implements BusDriver {
  readonly partitions = PARTITIONS;
  readonly maxBytes = Infinity;
  readonly sizeOf = sizeOfFrame;
  failures = 0;
  private readonly channels: string[];
  private readonly slots: number[];
  private cluster: Cluster | undefined;
  private receiver: BusReceiver | undefined;
  private retry: NodeJS.Timeout | undefined;

  /** Any of the servers will do to find the others. */
  constructor(
    private readonly urls: string[],
    secretKey: string,
  ) {
    this.channels = channelsFor(secretKey);
    this.slots = this.channels.map((channel) => calculateSlot(channel));
  }

  /** One partition of each shard: a heartbeat that comes back shows that its shard can be reached. */
  get heartbeatPartitions(): number[] {
    const partitions = new Map(this.slots.map((slot, partition) => [this.cluster?.slots[slot]?.[0], partition]));
    return [...partitions.values()];
  }

  start(receiver: BusReceiver): void {
    this.receiver = receiver;
    this.open();
  }

  publish(frames: WireFrame[]): void {
    const { cluster } = this;
    for (const frame of frames) {
      if (cluster) cluster.spublish(this.channels[frame.partition]!, encode(frame)).catch(() => this.failures++);
      else this.failures++;
    }
  }

  /** Opens a new client: one that got stuck keeps its state over its own reconnects. */
  reconnect(): void {
    this.close();
    this.retry = setTimeout(() => this.open(), RETRY_MS);
  }

  async stop(): Promise<void> {
    await Promise.race([this.cluster?.quit().catch(() => undefined), sleep(RETRY_MS)]);
    this.close();
  }

  private open(): void {
    const cluster = createCluster(this.urls);
    this.cluster = cluster;
    const receiver = this.receiver!;
    const decode = decoderFor(this.channels);
    cluster.on('smessageBuffer', (channel: Buffer, message: Buffer) => receiver.onFrame(decode(channel, message)));
    cluster.once('ready', () => void this.subscribe(cluster));
    cluster.on('error', (error: Error) => receiver.onDisconnected(error.message));
    cluster.on('-subscriber', () => receiver.onDisconnected('a connection to a shard was closed'));
    cluster.connect().catch(() => undefined); // it connects again by itself
  }

  private close(): void {
    clearTimeout(this.retry);
    const { cluster } = this;
    this.cluster = undefined;
    cluster?.removeAllListeners();
    cluster?.on('error', () => undefined);
    cluster?.disconnect();
  }

  private async subscribe(cluster: Cluster): Promise<void> {
    try {
      // each once: the client subscribes again by itself when it connects again, or when a channel moves
      const subscribed = Promise.all(this.channels.map(async (channel) => cluster.ssubscribe(channel)));
      await Promise.race([subscribed, sleep(SUBSCRIBE_TIMEOUT_MS).then(() => Promise.reject(new Error('time-out')))]);
      if (this.cluster === cluster) this.receiver?.onConnected();
    } catch (error) {
      if (this.cluster !== cluster) return;
      this.receiver?.onDisconnected(`subscribing failed: ${(error as Error).message}`);
      this.reconnect();
    }
  }
}

/** The user, the password and TLS are those of the first URL. */
function createCluster(urls: string[]): Cluster {
  const servers = urls.map((url) => new URL(url));
  const { username, password, protocol } = servers[0]!;
  const isTls = protocol === 'rediss:';
  return new Cluster(
    servers.map(({ hostname, port }) => ({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || DEFAULT_PORT),
    })),
    {
      lazyConnect: true,
      shardedSubscribers: true,
      enableOfflineQueue: false,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      retryDelayOnFailover: 0,
      clusterRetryStrategy: () => RETRY_MS,
      // certificates have the names of servers, which the cluster tells as it knows them
      ...(isTls && { dnsLookup: (address, found) => found(null, address) }),
      redisOptions: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        ...(username && { username: decodeURIComponent(username) }),
        ...(password && { password: decodeURIComponent(password) }),
        ...(isTls && { tls: {} }),
      },
    },
  );
}
