import type { Frame } from './outbox.js';

/** The part of WebSocket that the client uses; that of browsers, of Node.js 22 and of the package `ws` has it. */
export interface WebSocketLike {
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

interface Handlers {
  onFrame: (frame: Frame) => void;
  onClose: (code: number, reason: string) => void;
}

const CHECK_MS = 15_000;
/** After this time without a frame, the client asks for one. */
const QUIET_MS = 30_000;
/** After this time without a frame, the connection is given up: a network may drop it without an error. */
const DEAD_MS = 60_000;

/** One connection of the subprotocol `machi.v2`, authenticated by its first frame. */
export class ChatConnection {
  private readonly socket: WebSocketLike;
  private readonly timer: ReturnType<typeof setInterval>;
  private lastFrameAt = Date.now();
  private isAdmitted = false;
  private isOver = false;

  constructor(
    { url, WebSocket: Socket = globalThis.WebSocket }: { url: string; WebSocket?: WebSocketClass },
    token: string,
    private readonly handlers: Handlers,
  ) {
    this.socket = new Socket(url, ['machi.v2']);
    this.socket.addEventListener('open', () => this.authenticate(token));
    this.socket.addEventListener('message', ({ data }) => this.read(data));
    this.socket.addEventListener('close', ({ code, reason }) => this.finish(code, reason));
    this.socket.addEventListener('error', () => undefined); // "close" follows
    this.timer = setInterval(() => this.check(), CHECK_MS);
  }

  send(text: string): void {
    this.socket.send(text);
  }

  /** Authenticates the connection, or renews it. */
  authenticate(identity_token: string): void {
    this.send(JSON.stringify({ type: 'auth', identity_token }));
  }

  /** Closes the connection without reporting it. */
  end(): void {
    this.isOver = true;
    clearInterval(this.timer);
    this.socket.close(1000);
  }

  /** A message that is no frame does not come from Machi: the connection is of no use. */
  private read(data: unknown): void {
    const frame = parse(data);
    if (frame) this.receive(frame);
    else this.giveUp();
  }

  private receive(frame: Frame): void {
    if (this.isOver) return;
    this.lastFrameAt = Date.now();
    this.isAdmitted ||= frame.type === 'hello';
    this.handlers.onFrame(frame);
  }

  private check(): void {
    this.lastFrameAt = Math.min(this.lastFrameAt, Date.now()); // the clock may have been set back
    const quiet = Date.now() - this.lastFrameAt;
    if (quiet >= DEAD_MS) this.giveUp();
    else if (quiet >= QUIET_MS && this.isAdmitted) this.send('{"type":"ping"}');
  }

  /** Closes the connection and reports it as broken, without waiting for the other side. */
  private giveUp(): void {
    this.socket.close();
    this.finish(1006, '');
  }

  private finish(code: number, reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    clearInterval(this.timer);
    this.handlers.onClose(code, reason);
  }
}

function parse(data: unknown): Frame | undefined {
  try {
    const frame: unknown = typeof data === 'string' ? JSON.parse(data) : undefined;
    return typeof frame === 'object' && frame !== null ? (frame as Frame) : undefined;
  } catch {
    return undefined;
  }
}
