import type { components } from '../generated/chat.js';
import { ChatError, type ChatErrorCode } from './chat-error.js';

type Limits = components['schemas']['HelloLimitsDto'];

/** A frame of the server. */
export interface Frame {
  success: boolean;
  type: string;
  data?: unknown;
  error?: string;
  code?: ChatErrorCode;
  request_id?: string;
}

interface Entry {
  id: string;
  text: string;
  /** Whether it can be sent again when its outcome is unknown. */
  isRepeatable: boolean;
  isSent: boolean;
  resolve: (data: unknown) => void;
  reject: (error: ChatError) => void;
}

/** The server handles this many messages of a connection at the same time. */
const LARGEST_WINDOW = 64;
/** Leaves room for other connections of the user. */
const SHARE_OF_BURST = 0.8;
const TRY_AGAIN: ChatErrorCode[] = ['rate_limited', 'busy', 'database_unavailable'];
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Requests that are not answered yet, in the order in which they were made. Sends them within the server's limits, and those
 * that may be repeated again after a lost connection or a temporary refusal.
 */
export class Outbox {
  private readonly entries = new Map<string, Entry>();
  private write: ((text: string) => void) | undefined;
  private limits: Limits | undefined;
  private counter = 0;
  private allowance = 0;
  private refilledAt = 0;
  private pauseMs = 0;
  /** How many requests may wait for an answer: one after a temporary refusal, and one more after each success. */
  private window = LARGEST_WINDOW;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Sends a request as soon as the connection allows. Resolves with the data of its answer. */
  add(type: string, fields: object, isRepeatable: boolean): Promise<unknown> {
    const id = String(++this.counter);
    const text = JSON.stringify({ type, ...fields, request_id: id });
    return new Promise((resolve, reject) => {
      this.entries.set(id, { id, text, isRepeatable, isSent: false, resolve, reject });
      this.pump();
    });
  }

  /** The connection is admitted. */
  open(write: (text: string) => void, limits: Limits): void {
    this.write = write;
    if (!this.limits) this.allowance = limits.message_burst * SHARE_OF_BURST;
    this.limits = limits;
    this.refilledAt = Date.now();
    this.pump();
  }

  /** The connection is lost. */
  interrupt(): void {
    this.write = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const entry of this.sent) {
      if (entry.isRepeatable) entry.isSent = false;
      else this.reject(entry, 'connection_lost', 'The connection was lost before the answer.');
    }
  }

  /** The server closed the connection because a frame was too long: it is not sent again. */
  dropLongest(): void {
    const [longest] = this.sent.toSorted((a, b) => b.text.length - a.text.length);
    if (longest) this.reject(longest, 'frame_too_long', 'The server does not accept so long a frame.');
  }

  /** Rejects all requests. */
  close(): void {
    this.interrupt();
    for (const entry of this.entries.values()) this.reject(entry, 'closed', 'The chat is closed.');
  }

  /** Handles the answer to a request. Frames that are no answer are ignored. */
  settle({ success, data, error = '', code = 'internal_error', request_id, type }: Frame): void {
    // A frame that was not parsed is answered without its request_id; answers come in the order of the requests.
    const entry = request_id === undefined && type === 'root' ? this.sent[0] : this.entries.get(request_id ?? '');
    if (!entry) return;
    if (success) {
      this.pauseMs = 0;
      this.window = Math.min(this.window + 1, LARGEST_WINDOW);
      this.entries.delete(entry.id);
      entry.resolve(data);
    } else if (TRY_AGAIN.includes(code) && entry.isRepeatable) {
      entry.isSent = false;
      this.window = 1;
      this.pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, this.pauseMs), LONGEST_PAUSE_MS);
      if (this.timer === undefined) {
        this.pumpIn(this.pauseMs);
        this.pauseMs *= 2;
      }
      return;
    } else this.reject(entry, code, error);
    this.pump();
  }

  private get sent(): Entry[] {
    return [...this.entries.values()].filter(({ isSent }) => isSent);
  }

  private reject(entry: Entry, code: ChatError['code'], message: string): void {
    this.entries.delete(entry.id);
    entry.reject(new ChatError(code, message));
  }

  private pump(): void {
    if (this.timer !== undefined || !this.write || !this.limits) return;
    let inFlight = this.sent.length;
    for (const entry of this.entries.values()) {
      if (inFlight >= this.window) return;
      if (entry.isSent) continue;
      if (isLonger(entry.text, this.limits.frame_bytes)) {
        this.reject(entry, 'frame_too_long', 'The server does not accept so long a frame.');
        continue;
      }
      if (!this.take(this.limits)) return this.pumpIn(1000 / this.limits.messages_per_second);
      entry.isSent = true;
      inFlight++;
      this.write(entry.text);
    }
  }

  private pumpIn(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.pump();
    }, ms);
  }

  /** Takes one of the frames that the server's limits allow now. */
  private take({ message_burst, messages_per_second }: Limits): boolean {
    const now = Date.now();
    const passedMs = Math.max(0, now - this.refilledAt); // the clock may have been set back
    const refilled = this.allowance + (passedMs / 1000) * messages_per_second;
    this.allowance = Math.min(refilled, message_burst * SHARE_OF_BURST);
    this.refilledAt = now;
    if (this.allowance < 1) return false;
    this.allowance--;
    return true;
  }
}

/** UTF-8 has one to three bytes for each UTF-16 unit. */
const isLonger = (text: string, bytes: number): boolean =>
  text.length * 3 > bytes && (text.length > bytes || new TextEncoder().encode(text).length > bytes);
