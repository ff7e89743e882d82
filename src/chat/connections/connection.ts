import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { ClientNetwork } from '../../rate-limit/client-network.js';
import { CLOSE_CODES, type CloseReason } from '../protocol/close-codes.js';
import { successText } from '../protocol/responses.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { toFrames } from '../protocol/websocket-frames.js';
import { FrameQueue } from './frame-queue.js';
import { type ReceiveBudget, UnfinishedFrame } from './receive-budget.js';
import { SendQueue, type SendScheduler } from './send-queue.js';
import { type Rate, TokenBucket } from './token-bucket.js';

/**
 * The longest valid message takes 192 KB if all its characters are escaped. Frames up to this size get an answer that
 * names the field.
 */
export const MAX_FRAME_BYTES = 1024 * 1024;
export const FRAMES: Rate = { burst: 500, perSecond: 100 };
/** The violation budget: frames that may be refused before the connection is closed. */
const VIOLATIONS: Rate = { burst: 200, perSecond: 1 };
/** A refused frame counts once for each part of this length. */
const FRAME_CHARACTERS = 64 * 1024;
const PING_INTERVAL_MS = 25_000;
/** How long a client of `machi.v2` may take to send `auth`. */
const AUTHENTICATION_MS = 10_000;
/** How long before the expiry of its token a client of `machi.v2` gets the frame `expiring`. */
const EXPIRING_MS = 30_000;
/** The bytes of a control frame of a client before its payload of up to 125 bytes (RFC 6455, section 5.2). */
const CONTROL_FRAME_HEADER_BYTES = 6;
/** Frames that a client may send between our close frame and its answer. */
const MAX_FRAMES_AFTER_CLOSE = 1_000;
/** After these codes the client must not, or cannot, read what is still queued. */
const DISCARDING_CODES: readonly number[] = [4401, 4290];

/** The user of an authenticated connection, as read when the connection was opened. */
export interface ChatSession {
  user_id: string;
  participant_id: number;
  /** When the token expires, in milliseconds since the epoch; Infinity for a token without expiry. */
  expires_at: number;
}

interface ConnectionOptions {
  socket: WebSocket;
  /** The TCP socket that carries the WebSocket. */
  stream: Socket;
  /** The address of the client; null if it cannot be read. */
  ip: string | null;
  /** The client networks under which the connection is counted. */
  networks: ClientNetwork[];
  scheduler: SendScheduler;
  receiveBudget: ReceiveBudget;
  isLimited: boolean;
  /** Called when the server closes the connection. */
  onClosing: (reason: CloseReason) => void;
}

/** An open WebSocket with its queues and limits. It is opened first and authenticated afterwards. */
export class Connection {
  /** The address of the client, for audit events: a frame has no request context. */
  readonly ip: string | null;
  readonly networks: ClientNetwork[];
  /** Whether the client speaks `machi.v2`. */
  readonly isV2: boolean;
  /** Frames from the client. */
  readonly received = new FrameQueue();

  /** True if the session was revoked while its token was checked, or before: that notification may arrive late. */
  isSessionRevoked = false;

  private readonly socket: WebSocket;
  private readonly scheduler: SendScheduler;
  private readonly sendQueue: SendQueue;
  private readonly onClosing: (reason: CloseReason) => void;
  private readonly unfinished: UnfinishedFrame;
  private readonly frameLimit: TokenBucket | undefined;
  private readonly violationBudget: TokenBucket | undefined;
  private boundSessionId: string | undefined;
  private authenticated: ChatSession | undefined;
  private isOpenNow = true;
  private isReadingStopped = false;
  private hasAnswered = true;
  private pingedAt: number;
  private framesAfterClose = 0;
  private authenticationDeadline: number | undefined;
  /** The expiry that the last frame `expiring` has announced. */
  private announcedExpiry: number | undefined;

  constructor({ socket, stream, ip, networks, scheduler, receiveBudget, isLimited, onClosing }: ConnectionOptions) {
    const now = scheduler.now();
    this.socket = socket;
    this.ip = ip;
    this.networks = networks;
    this.isV2 = socket.protocol === MACHI_V2;
    this.scheduler = scheduler;
    this.onClosing = onClosing;
    this.sendQueue = new SendQueue(socket, stream, scheduler, () => this.close('slow'));
    this.unfinished = new UnfinishedFrame(receiveBudget);
    stream.prependListener('data', (chunk: Buffer) => this.noteBytes(chunk.length)); // before ws completes a frame
    this.pingedAt = now;
    if (!isLimited) return;
    this.frameLimit = new TokenBucket(FRAMES, now);
    this.violationBudget = new TokenBucket(VIOLATIONS, now);
  }

  /** False once the connection is closed or closing: frames from it are ignored and nothing is sent to it. */
  get isOpen(): boolean {
    return this.isOpenNow;
  }

  /** The session that the token names. It is known, and its revocation is noticed, before authentication. */
  get sessionId(): string | undefined {
    return this.boundSessionId;
  }

  get isAuthenticated(): boolean {
    return this.authenticated !== undefined;
  }

  /** The user of the connection. Throws before authentication; no frame is handled before it. */
  get session(): ChatSession {
    if (!this.authenticated) throw new Error('The connection is not authenticated');
    return this.authenticated;
  }

  bindToSession(sessionId: string): void {
    this.boundSessionId = sessionId;
    this.isSessionRevoked = false;
  }

  authenticate(session: ChatSession): void {
    this.authenticated = session;
  }

  /** Admits frames of the type `auth` for ten seconds. */
  awaitAuthentication(): void {
    this.authenticationDeadline = this.scheduler.now() + AUTHENTICATION_MS;
    this.resumeReading();
  }

  /** Sets a later expiry, in milliseconds since the epoch. */
  renew(expiresAt: number): void {
    this.session.expires_at = expiresAt;
  }

  /** Records that the client is alive. Destroys a connection that keeps sending after it was closed. */
  noteActivity(): void {
    this.hasAnswered = true;
    if (!this.isOpenNow && ++this.framesAfterClose > MAX_FRAMES_AFTER_CLOSE) this.socket.terminate();
  }

  /** Records that a text or binary frame is complete. */
  noteFrame(): void {
    this.unfinished.clear();
  }

  /** Records that a ping or pong is complete. It may be within a frame of several fragments. */
  noteControlFrame(payloadBytes: number): void {
    this.unfinished.remove(CONTROL_FRAME_HEADER_BYTES + payloadBytes);
  }

  /** Counts a frame against the frame limit. Returns false if the limit is exceeded. */
  takeFrame(): boolean {
    return this.frameLimit?.take(this.scheduler.now()) ?? true;
  }

  /**
   * Counts a refused frame of this many characters against the violation budget. Closes the connection and returns false if the
   * budget is used up.
   */
  takeViolation(reason: 'rate' | 'abuse', characters = 0): boolean {
    if (this.violationBudget?.take(this.scheduler.now(), weightOf(characters)) ?? true) return true;
    this.close(reason);
    return false;
  }

  pauseReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    if (!this.isReadingStopped && this.socket.isPaused) this.socket.resume();
  }

  /** Reads nothing further, for shutdown. */
  stopReading(): void {
    this.isReadingStopped = true;
    this.pauseReading();
  }

  /** Sends a text frame. */
  send(text: string): void {
    this.sendFrames(toFrames([text]).bytes);
  }

  /** Sends a text frame that is useless if it arrives late. Drops it if this receiver, or too many receivers, are slow. */
  sendEphemeral(text: string): void {
    if (!this.sendQueue.isCongested) this.send(text);
  }

  /** Sends encoded frames. */
  sendFrames(frames: Buffer): void {
    this.sendQueue.push(frames);
  }

  /** Closes the connection. Queued frames are sent first, unless the reason forbids it. */
  close(reason: CloseReason): void {
    if (!this.isOpenNow) return;
    const { code, reason: text } = CLOSE_CODES[reason];
    if (!DISCARDING_CODES.includes(code)) this.sendQueue.end();
    this.onClosing(reason);
    this.onClosed();
    this.socket.resume(); // to read the close frame of the client
    this.socket.close(code, text);
  }

  /** Like `close`; resolves once the socket is closed. */
  async closeAndWait(reason: CloseReason): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.close(reason);
    await closed;
  }

  /** The socket is closed, and what it had received is freed. */
  onSocketClosed(): void {
    this.onClosed();
    this.unfinished.clear();
  }

  /** Drops all waiting frames, because the connection is closed or closing. */
  onClosed(): void {
    this.isOpenNow = false;
    this.received.clear();
    this.sendQueue.discard();
  }

  /** Called periodically: closes an expired, stalled or dead connection, and sends pings. */
  check(now: number): void {
    if (!this.isOpenNow) return;
    if (!this.authenticated) return this.checkAuthentication(now);
    if (now >= this.authenticated.expires_at) return this.close('token_expired');
    if (this.isV2) this.announceExpiry(now, this.authenticated.expires_at);
    if (this.sendQueue.isStalled(now)) return this.close('slow');
    this.pingedAt = Math.min(this.pingedAt, now); // the clock may have been set back
    if (now - this.pingedAt < PING_INTERVAL_MS) return;
    if (!this.hasAnswered && !this.socket.isPaused) return this.close('no_pong'); // a paused socket hides the pong
    this.hasAnswered = false;
    this.pingedAt = now;
    this.socket.ping();
  }

  private checkAuthentication(now: number): void {
    if (this.authenticationDeadline === undefined) return;
    this.authenticationDeadline = Math.min(this.authenticationDeadline, now + AUTHENTICATION_MS); // the clock may have been set back
    if (now >= this.authenticationDeadline) this.close('token_required');
  }

  private announceExpiry(now: number, expiresAt: number): void {
    if (now < expiresAt - EXPIRING_MS || this.announcedExpiry === expiresAt) return;
    this.announcedExpiry = expiresAt;
    this.send(successText('expiring', { expires_at: secondsOf(expiresAt) }));
  }

  /**
   * Destroys a connection whose unfinished frame exceeds the limit of all connections. A close frame would wait for an
   * answer.
   */
  private noteBytes(count: number): void {
    if (this.unfinished.add(count)) return;
    this.onSocketClosed();
    this.socket.terminate();
  }
}

/** Unix seconds of a time in milliseconds; null for Infinity. */
export const secondsOf = (ms: number): number | null => (ms === Infinity ? null : Math.floor(ms / 1000));

const weightOf = (characters: number): number => 1 + Math.floor(characters / FRAME_CHARACTERS);
