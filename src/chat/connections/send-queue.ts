import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Clock } from '../../common/clock.provider.js';

/** A longer queue drops ephemeral frames, which are useless if they arrive late. */
const DROP_EPHEMERAL_BYTES = 256 * 1024;
const MAX_BYTES = 1024 * 1024;
/** A connection is closed if its socket accepts nothing for this long. */
const MAX_STALL_MS = 10_000;
/** Limit for the queues of all connections together. The connection that exceeds it is closed. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
/** If the queues of all connections together are longer, all of them drop ephemeral frames. */
const DROP_ALL_EPHEMERAL_BYTES = MAX_TOTAL_BYTES / 4;
/** A congested socket gets this many bytes at once, so that the rest can still be dropped. */
const PORTION_BYTES = 64 * 1024;

/**
 * At most this many queues are flushed in one turn of the event loop. A write to a socket takes some 10 µs: without a limit, requests and
 * answers of the database would wait while a frame is written to very many connections.
 */
const MAX_FLUSHES_PER_TURN = 200;

/** What the send queues of all connections share: the total of queued bytes, and when they are flushed. */
export class SendScheduler {
  private totalBytes = 0;
  private scheduled: SendQueue[] = [];

  constructor(private readonly clock: Clock) {}

  /** Bytes that wait in all queues. */
  get queuedBytes(): number {
    return this.totalBytes;
  }

  /** Counts bytes that a queue has added, or removed if negative. */
  countQueued(bytes: number): void {
    this.totalBytes += bytes;
  }

  now(): number {
    return this.clock.now();
  }

  /**
   * Flushes the queue at the end of this turn of the event loop, or in a later one if many are scheduled. By then, the next batch of
   * messages has been sent to the database, which works while sockets are written to.
   */
  schedule(queue: SendQueue): void {
    if (this.scheduled.length === 0) setImmediate(() => this.flush());
    this.scheduled.push(queue);
  }

  private flush(): void {
    const queues = this.scheduled.splice(0, MAX_FLUSHES_PER_TURN);
    if (this.scheduled.length > 0) setImmediate(() => this.flush());
    for (const queue of queues) queue.flush();
  }
}

/**
 * The outgoing frames of one connection. Frames of one turn of the event loop are written to the socket together. While the socket's
 * buffer is full, they wait here, within limits.
 */
export class SendQueue {
  /** Frames since the last flush. */
  private batch: Buffer[] = [];
  /** Frames that wait for the socket to drain. */
  private queued: Buffer[] = [];
  private queuedBytes = 0;
  private stalledSince: number | undefined;
  private isClosed = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Socket,
    private readonly scheduler: SendScheduler,
    /** Called when the receiver is too slow. */
    private readonly onOverflow: () => void,
  ) {}

  /** Whether ephemeral frames are to be dropped, because this receiver is slow or too many are. */
  get isCongested(): boolean {
    if (this.scheduler.queuedBytes >= DROP_ALL_EPHEMERAL_BYTES) return true;
    return this.queuedBytes + this.stream.writableLength >= DROP_EPHEMERAL_BYTES;
  }

  /** Adds encoded frames. */
  push(frames: Buffer): void {
    if (this.isClosed) return;
    if (this.batch.length === 0) this.scheduler.schedule(this);
    this.batch.push(frames);
  }

  /** Called by the scheduler. */
  flush(): void {
    const chunks = this.batch;
    this.batch = [];
    if (this.isClosed || !this.isWritable) return;
    if (this.stalledSince !== undefined) this.enqueue(chunks);
    else if (!this.writeToSocket(chunks)) this.waitForDrain();
  }

  /** Whether the socket has accepted nothing for too long. */
  isStalled(now: number): boolean {
    if (this.stalledSince === undefined) return false;
    this.stalledSince = Math.min(this.stalledSince, now); // the clock may have been set back
    return now - this.stalledSince >= MAX_STALL_MS;
  }

  /** Writes everything to the socket, however full its buffer is, and accepts nothing further. */
  end(): void {
    if (this.isWritable) this.writeToSocket([...this.queued, ...this.batch]);
    this.discard();
  }

  /** Drops everything and accepts nothing further. */
  discard(): void {
    this.isClosed = true;
    this.batch = [];
    this.queued = [];
    this.scheduler.countQueued(-this.queuedBytes);
    this.queuedBytes = 0;
  }

  /** Nothing may follow a close frame, including the one that ws sends by itself. */
  private get isWritable(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Returns false when the socket's buffer is full. */
  private writeToSocket(chunks: Buffer[]): boolean {
    if (chunks.length === 1) return this.stream.write(chunks[0]!);
    this.stream.cork();
    for (const chunk of chunks) this.stream.write(chunk);
    this.stream.uncork();
    return !this.stream.writableNeedDrain;
  }

  private waitForDrain(): void {
    this.stalledSince = this.scheduler.now();
    this.stream.once('drain', () => this.onDrain());
  }

  private enqueue(chunks: Buffer[]): void {
    for (const chunk of chunks) {
      this.queued.push(chunk);
      this.queuedBytes += chunk.length;
      this.scheduler.countQueued(chunk.length);
    }
    const exceedsOwn = this.queuedBytes + this.stream.writableLength > MAX_BYTES;
    if (exceedsOwn || this.scheduler.queuedBytes > MAX_TOTAL_BYTES) this.onOverflow();
  }

  private onDrain(): void {
    this.stalledSince = undefined;
    while (this.queued.length > 0 && this.stalledSince === undefined) {
      if (!this.writeToSocket(this.takePortion())) this.waitForDrain();
    }
  }

  private takePortion(): Buffer[] {
    const portion: Buffer[] = [];
    let size = 0;
    while (this.queued.length > 0 && size < PORTION_BYTES) {
      const chunk = this.queued.shift()!;
      portion.push(chunk);
      size += chunk.length;
    }
    this.queuedBytes -= size;
    this.scheduler.countQueued(-size);
    return portion;
  }
}
