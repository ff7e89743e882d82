const MAX_WAITING_FRAMES = 64;
const MAX_WAITING_CHARACTERS = 64 * 1024;
const MAX_IN_FLIGHT = 64;

/**
 * A received frame: its text, null for a binary frame, or the result of parsing for a long frame, which is parsed on arrival;
 * `length` is the number of its characters.
 */
export type ReceivedFrame = string | null | { readonly length: number };

/**
 * The received frames of one connection, handled by one worker in the order of arrival. Requests of pipelined events may
 * be in flight, that is started and not yet answered, while the worker takes further frames.
 */
export class FrameQueue {
  private frames: ReceivedFrame[] = [];
  private characters = 0;
  private isRunning = false;
  private worker: Promise<void> | undefined;
  private inFlight = 0;
  private newestAnswered: Promise<unknown> | undefined;
  private takenCount = 0;

  /** Frames received and not yet taken. */
  get waiting(): number {
    return this.frames.length;
  }

  /** How many frames have been taken since the connection was opened. */
  get taken(): number {
    return this.takenCount;
  }

  /** Pipelined requests that are not yet answered. */
  get unanswered(): number {
    return this.inFlight;
  }

  /** Whether the connection must not be read further for now. */
  get isFull(): boolean {
    return this.frames.length >= MAX_WAITING_FRAMES || this.characters >= MAX_WAITING_CHARACTERS;
  }

  /** Whether no further frame may be taken before the requests in flight are answered. */
  get isPipelineFull(): boolean {
    return this.inFlight >= MAX_IN_FLIGHT;
  }

  push(frame: ReceivedFrame): void {
    this.frames.push(frame);
    this.characters += frame?.length ?? 0;
  }

  /** Starts the worker unless it runs. The worker must take frames until `take` returns undefined. */
  start(worker: () => Promise<void>): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.worker = worker();
  }

  /** Removes the oldest frame. Undefined means that none waits and that the worker has to end. */
  take(): ReceivedFrame | undefined {
    const frame = this.frames.shift();
    if (frame === undefined) {
      this.isRunning = false;
      return undefined;
    }
    this.takenCount++;
    this.characters -= frame?.length ?? 0;
    return frame;
  }

  /** Registers a pipelined request. Pipelined requests are answered in the order in which they are registered. */
  track(answered: Promise<unknown>): void {
    this.inFlight++;
    this.newestAnswered = answered.then(() => this.inFlight--);
  }

  /** Resolves when no request is in flight. */
  async whenAnswered(): Promise<void> {
    if (this.inFlight > 0) await this.newestAnswered;
  }

  /** Resolves when all frames received so far are answered. */
  async whenIdle(): Promise<void> {
    while (this.isRunning) await this.worker;
    await this.whenAnswered();
  }

  /** Drops the frames that wait. */
  clear(): void {
    this.frames = [];
    this.characters = 0;
  }
}
