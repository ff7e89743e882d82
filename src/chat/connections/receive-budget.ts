/** Bytes of an unfinished frame that are not counted. Nearly all frames are smaller. */
const FREE_BYTES = 64 * 1024;
/** Limit for the counted bytes of all connections together. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;

/** Bounds the memory of long frames that are being received, over all connections. */
export class ReceiveBudget {
  private total = 0;

  /** Counts bytes, or takes them back if negative. Returns false if the limit is exceeded. */
  count(bytes: number): boolean {
    this.total += bytes;
    return this.total <= MAX_TOTAL_BYTES;
  }
}

/** The bytes of a frame of one connection that has not been received completely. */
export class UnfinishedFrame {
  private bytes = 0;

  constructor(private readonly budget: ReceiveBudget) {}

  /** Returns false if all unfinished frames together exceed the budget. */
  add(bytes: number): boolean {
    const counted = this.counted;
    this.bytes += bytes;
    return this.bytes <= FREE_BYTES || this.budget.count(this.counted - counted);
  }

  /** Takes back bytes that were not of this frame: control frames may arrive between its fragments. */
  remove(bytes: number): void {
    const counted = this.counted;
    this.bytes = Math.max(0, this.bytes - bytes);
    this.budget.count(this.counted - counted);
  }

  /** The frame is complete, or its connection closed. */
  clear(): void {
    if (this.counted > 0) this.budget.count(-this.counted);
    this.bytes = 0;
  }

  private get counted(): number {
    return Math.max(0, this.bytes - FREE_BYTES);
  }
}
