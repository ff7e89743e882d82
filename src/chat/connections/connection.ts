import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { CLOSE_CODES, type CloseReason } from '../protocol/close-codes.js';
import { toFrames } from '../protocol/websocket-frames.js';
import { ReceiveQueue } from './receive-queue.js';
import type { TokenBucket } from './token-bucket.js';

/** Above this, what is worth nothing later is not sent. */
const SHED_BYTES = 256 * 1024;
const MAX_BYTES = 1024 * 1024;
/** How long a receiver may take nothing at all. */
const MAX_STALL_MS = 10_000;
/** What all connections together may keep waiting, beyond which the one that adds to it ends. */
const BUDGET_BYTES = 64 * 1024 * 1024;
/** What all may keep waiting before nobody is sent anything that is worth nothing later. */
const SHED_ALL_BYTES = BUDGET_BYTES / 4;
/** What is handed to a congested socket at once; the rest can still be dropped. */
const PORTION_BYTES = 64 * 1024;
const PING_EVERY_MS = 25_000;
/** Frames of somebody who has not read the farewell yet. */
const MAX_AFTER_FAREWELL = 1_000;

/** Whom a connection belongs to, as its token and the database said when it opened. */
export interface ChatSession {
  user_id: string;
  participant_id: number;
  /** When the token ends, in milliseconds since the epoch; Infinity: never. */
  expires_at: number;
}

/** What all connections share. */
export interface Outflow {
  /** Bytes waiting in all connections. */
  waiting: number;
  now(): number;
  /** Has it flushed at the end of this turn. */
  enlist(connection: Connection): void;
}

/** One open socket. Everything goes to it through here: in order, once a turn, and bounded. */
export class Connection {
  /** The session that its token names; it need not be checked yet. */
  sessionId: string | undefined;
  /** Whom it belongs to, once that is known. */
  session: ChatSession | undefined;
  isOpen = true;
  readonly inbox = new ReceiveQueue();
  /** Frames are being handled. */
  isWorking = false;
  /** Resolves when they have been. */
  working: Promise<void> | undefined;
  /** Messages on their way into the database, and the newest of them. */
  sending = 0;
  newestSend: Promise<void> | undefined;
  frames: TokenBucket | undefined;
  /** Room for refused frames; empty, the connection ends. */
  patience: TokenBucket | undefined;

  private turn: Buffer[] = [];
  /** What waits for the socket to take more. */
  private backlog: Buffer[] = [];
  private backlogBytes = 0;
  private stalledSince: number | undefined;
  private isAlive = true;
  private isDeaf = false;
  private afterFarewell = 0;

  constructor(
    readonly socket: WebSocket,
    private readonly wire: Socket,
    readonly network: string,
    private readonly outflow: Outflow,
    private pingedAt: number,
  ) {}

  /** Something has come from the other side. Whoever goes on and on after the farewell is cut off. */
  heard(): void {
    this.isAlive = true;
    if (!this.isOpen && ++this.afterFarewell > MAX_AFTER_FAREWELL) this.socket.terminate();
  }

  /** Reads no further until `listen`. */
  pause(): void {
    this.socket.pause();
  }

  listen(): void {
    if (!this.isDeaf && this.socket.isPaused) this.socket.resume();
  }

  /** Reads no further, whatever comes. */
  stopListening(): void {
    this.isDeaf = true;
    this.pause();
  }

  send(text: string): void {
    this.write(toFrames([text]).bytes);
  }

  /** What is no use later, and the first to go when this receiver is slow, or many are. */
  sendEphemeral(text: string): void {
    if (this.outflow.waiting >= SHED_ALL_BYTES) return;
    if (this.backlogBytes + this.wire.writableLength < SHED_BYTES) this.send(text);
  }

  /** Frames ready for the wire; they leave at the end of this turn, in one write with whatever else comes. */
  write(frames: Buffer): void {
    if (!this.isOpen) return;
    if (this.turn.length === 0) this.outflow.enlist(this);
    this.turn.push(frames);
  }

  flush(): void {
    const chunks = this.turn;
    this.turn = [];
    if (!this.isOpen || this.socket.readyState !== WebSocket.OPEN) return; // nothing follows a farewell
    if (this.stalledSince !== undefined) this.wait(chunks);
    else if (!this.hand(chunks)) this.stall();
  }

  /** Ends the connection. What was meant for it still goes out, but for what it may not or cannot read any more. */
  close(reason: CloseReason): void {
    if (!this.isOpen) return;
    const [code, text] = CLOSE_CODES[reason];
    if (code !== 4401 && code !== 4290) this.hand([...this.backlog, ...this.turn]);
    this.forget();
    this.socket.resume(); // to read the other side's farewell
    this.socket.close(code, text);
  }

  /** It is closed, or closing: nothing more goes out, nothing more is handled. */
  forget(): void {
    this.isOpen = false;
    this.inbox.clear();
    this.turn = [];
    this.drop();
  }

  /** What time brings: the end of the token, of patience with a slow receiver, of a dead line. */
  check(now: number): void {
    if (!this.isOpen || !this.session) return;
    if (now >= this.session.expires_at) return this.close('token_expired');
    if (this.stalledSince !== undefined && now - this.stalledSince >= MAX_STALL_MS) return this.close('slow');
    if (now - this.pingedAt < PING_EVERY_MS) return;
    if (!this.isAlive && !this.socket.isPaused) return this.close('no_pong'); // paused, it is us who do not listen
    this.isAlive = false;
    this.pingedAt = now;
    this.socket.ping();
  }

  /** False when the socket has enough for now. */
  private hand(chunks: Buffer[]): boolean {
    if (chunks.length === 1) return this.wire.write(chunks[0]!);
    this.wire.cork();
    for (const chunk of chunks) this.wire.write(chunk);
    this.wire.uncork();
    return !this.wire.writableNeedDrain;
  }

  private stall(): void {
    this.stalledSince = this.outflow.now();
    this.wire.once('drain', () => this.drained());
  }

  private wait(chunks: Buffer[]): void {
    for (const chunk of chunks) {
      this.backlog.push(chunk);
      this.backlogBytes += chunk.length;
      this.outflow.waiting += chunk.length;
    }
    const isOver = this.backlogBytes + this.wire.writableLength > MAX_BYTES || this.outflow.waiting > BUDGET_BYTES;
    if (isOver) this.close('slow');
  }

  private drained(): void {
    this.stalledSince = undefined;
    while (this.isOpen && this.backlog.length > 0 && this.stalledSince === undefined) {
      const portion = this.takePortion();
      if (!this.hand(portion)) this.stall();
    }
  }

  private takePortion(): Buffer[] {
    const portion: Buffer[] = [];
    let size = 0;
    while (this.backlog.length > 0 && size < PORTION_BYTES) {
      const chunk = this.backlog.shift()!;
      portion.push(chunk);
      size += chunk.length;
    }
    this.backlogBytes -= size;
    this.outflow.waiting -= size;
    return portion;
  }

  private drop(): void {
    this.outflow.waiting -= this.backlogBytes;
    this.backlogBytes = 0;
    this.backlog = [];
  }
}
