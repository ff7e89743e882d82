import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { causeMessage } from '../common/cause-message.js';
import { MetricsService } from '../metrics/metrics.service.js';
import { BusAgreementService } from './bus-agreement.service.js';
import type { BusDriver, WireFrame } from './bus-driver.js';
import { type BusItem, decodeFrame, encodeFrames } from './bus-frame.js';
import { BusPeers } from './bus-peers.js';

/** Injection token of the driver; null if this process is the only node. */
export const BUS_DRIVER = Symbol('BUS_DRIVER');

const HEARTBEAT_MS = 1_000;
/** If this node does not receive its own heartbeats for this long, the connection counts as broken. */
const ECHO_TIMEOUT_MS = 3_000;
const HEARTBEAT = 'heartbeat';
/** The value on the wire: nodes of another version may run during an update. */
const SHUTDOWN = 'goodbye';

type ItemHandler = (head: never, body: Buffer | null) => void;
type LossHandler = (partition: number | undefined) => void;

/**
 * Sends items to the other nodes. Frames may be lost at any time: publishers count their frames, and a node that misses one calls
 * its loss handlers with the partition, or for all partitions. PostgreSQL has everything that was lost.
 */
@Injectable()
export class BusService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(BusService.name);
  private readonly publisher = randomBytes(6).toString('hex');
  private readonly handlers = new Map<string, ItemHandler>();
  private readonly lossHandlers: LossHandler[] = [];
  private readonly counts: number[];
  private readonly peers: BusPeers;
  private waiting = new Map<number, BusItem[]>();
  private timer: NodeJS.Timeout | undefined;
  /** Undefined until the first attempt to connect has ended. */
  private isConnected: boolean | undefined;
  /** Each is logged once in an outage: the first one may be just that the connection was closed. */
  private readonly outageReasons = new Set<string>();
  /** The partitions from which a heartbeat of this node has not come back, with the time of the first one. */
  private readonly unanswered = new Map<number, number>();
  private published = 0;
  private received = 0;
  private losses = 0;
  private disconnects = 0;

  constructor(
    @Inject(BUS_DRIVER) private readonly driver: BusDriver | null,
    private readonly agreement: BusAgreementService,
    metrics: MetricsService,
  ) {
    this.register(metrics);
    this.counts = Array.from({ length: driver?.partitions ?? 0 }, () => 0);
    this.peers = new BusPeers((partition) => this.onLost(partition));
  }

  /** Whether there may be other nodes. If not, nothing needs to be sent or remembered for them. */
  get isShared(): boolean {
    return this.driver !== null;
  }

  /** `degraded`: other nodes learn of what happens here from PostgreSQL, later than usual. */
  get state(): 'off' | 'ok' | 'degraded' {
    if (!this.driver) return 'off';
    return this.isConnected && this.agreement.isComplete ? 'ok' : 'degraded';
  }

  /** Items are in the partition `key % partitions`. */
  get partitions(): number {
    return this.counts.length;
  }

  /** Calls the handler for each item of a kind from another node. To be called in a constructor. */
  onItem(kind: string, handler: ItemHandler): void {
    this.handlers.set(kind, handler);
  }

  /** Calls the handler when items of a partition, or of all, may have been lost. To be called in a constructor. */
  onLoss(handler: LossHandler): void {
    this.lossHandlers.push(handler);
  }

  /** Sends an item to the other nodes, at the end of this tick. Items with the same key arrive in the order of sending, or are lost. */
  send(key: number, item: BusItem): void {
    if (!this.driver) return;
    if (this.waiting.size === 0) queueMicrotask(() => this.flush());
    const partition = key % this.partitions;
    const items = this.waiting.get(partition);
    if (items) items.push(item);
    else this.waiting.set(partition, [item]);
  }

  onApplicationBootstrap(): void {
    if (!this.driver) return;
    this.driver.start({
      onFrame: (frame) => this.receive(frame),
      onConnected: () => this.onConnected(),
      onDisconnected: (reason) => this.onDisconnected(reason),
    });
    this.timer = setInterval(() => this.checkHeartbeats(), HEARTBEAT_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    if (!this.driver) return;
    clearInterval(this.timer);
    this.flush();
    this.sendHeartbeat(SHUTDOWN);
    await this.driver.stop();
  }

  private flush(): void {
    const { driver, publisher, waiting } = this;
    if (!driver || waiting.size === 0) return;
    this.waiting = new Map();
    const frames: WireFrame[] = [];
    for (const [partition, items] of waiting) {
      frames.push(...encodeFrames(items, partition, publisher, () => ++this.counts[partition]!, driver));
    }
    this.published += frames.length;
    driver.publish(frames);
  }

  private checkHeartbeats(): void {
    const now = performance.now();
    this.expectEchoes(now);
    this.sendHeartbeat(HEARTBEAT);
    if (this.isConnected && [...this.unanswered.values()].some((since) => now - since > ECHO_TIMEOUT_MS)) {
      this.onDisconnected(`no heartbeat came back for ${ECHO_TIMEOUT_MS / 1000} s`);
      this.driver?.reconnect();
    }
    if (this.isConnected) this.peers.check(now);
  }

  private expectEchoes(now: number): void {
    const { heartbeatPartitions } = this.driver!;
    for (const partition of this.unanswered.keys()) {
      if (!heartbeatPartitions.includes(partition)) this.unanswered.delete(partition);
    }
    for (const partition of heartbeatPartitions) {
      if (!this.unanswered.has(partition)) this.unanswered.set(partition, now);
    }
  }

  private onEcho(partition: number): void {
    this.unanswered.delete(partition);
    if (!this.isConnected && this.unanswered.size === 0) this.onConnected();
  }

  /** Sends the counts of this node's frames, so that the others notice lost ones. A heartbeat itself is not counted. */
  private sendHeartbeat(kind: string): void {
    const header = JSON.stringify([this.publisher, 0, [[kind, this.counts, 0]]]);
    this.driver!.publish(this.driver!.heartbeatPartitions.map((partition) => ({ partition, header, body: null })));
  }

  /** A frame that cannot be read, for example one of another version of Machi, counts as lost. */
  private receive(wire: WireFrame): void {
    try {
      this.handle(wire);
    } catch (error) {
      this.log.warn(`A frame from the bus could not be read (${causeMessage(error)}); the database is read instead`);
      this.onLost(wire.partition);
    }
  }

  private handle(wire: WireFrame): void {
    const { publisher, partition, count, items } = decodeFrame(wire);
    const now = performance.now();
    if (publisher === this.publisher) return this.onEcho(partition);
    const [first] = items ?? [];
    if (first?.kind === HEARTBEAT) return this.peers.onHeartbeat(publisher, first.head as number[], now);
    if (first?.kind === SHUTDOWN) return this.peers.onShutdown(publisher, first.head as number[]);
    this.received++;
    this.peers.onFrame(publisher, partition, count);
    if (!items) return this.onLost(partition);
    for (const { kind, head, body } of items) this.handlers.get(kind)?.(head as never, body);
    return undefined;
  }

  private onConnected(): void {
    if (this.isConnected === false) this.log.log('The bus is reached again');
    this.isConnected = true;
    this.outageReasons.clear();
    this.unanswered.clear();
    this.peers.clear();
    this.reportLoss(undefined);
  }

  private onDisconnected(reason: string): void {
    if (!this.outageReasons.has(reason)) {
      this.outageReasons.add(reason);
      this.log.warn(`The bus is not reached (${reason}); messages of other nodes arrive late until it is`);
    }
    if (this.isConnected === false) return;
    this.disconnects++;
    this.isConnected = false;
    this.unanswered.clear();
  }

  private onLost(partition: number | undefined): void {
    this.losses++;
    this.reportLoss(partition);
  }

  private register(metrics: MetricsService): void {
    const total = (name: string, help: string, read: () => number): void =>
      metrics.total(`machi_bus_${name}_total`, help, read);
    total('published', 'Frames sent to other nodes.', () => this.published);
    total('publish_failures', 'Frames that could not be sent.', () => this.driver?.failures ?? 0);
    total('received', 'Frames received from other nodes.', () => this.received);
    total('losses', 'Frames of other nodes that were missed, or did not fit.', () => this.losses);
    total('disconnects', 'Connections to the bus that were lost.', () => this.disconnects);
  }

  private reportLoss(partition: number | undefined): void {
    for (const handler of this.lossHandlers) handler(partition);
  }
}
