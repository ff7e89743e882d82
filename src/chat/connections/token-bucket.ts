/** A rate limit: `burst` at once, `perSecond` in the long run. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** A token bucket; starts full. Times are in milliseconds since the epoch. */
export class TokenBucket {
  private tokens: number;
  private filledAt: number;

  constructor(
    private readonly rate: Rate,
    now: number,
  ) {
    this.tokens = rate.burst;
    this.filledAt = now;
  }

  /** Takes `count` tokens. Returns false, and takes none, if fewer are left. */
  take(now: number, count = 1): boolean {
    this.fill(now);
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
  }

  /** Whether any token is left. */
  hasTokens(now: number): boolean {
    this.fill(now);
    return this.tokens > 0;
  }

  /** Takes `count` tokens unconditionally; the balance may become negative and refills from there. */
  charge(now: number, count: number): void {
    this.fill(now);
    this.tokens -= count;
  }

  isFull(now: number): boolean {
    this.fill(now);
    return this.tokens === this.rate.burst;
  }

  private fill(now: number): void {
    const gained = (Math.max(0, now - this.filledAt) / 1000) * this.rate.perSecond;
    this.tokens = Math.min(this.rate.burst, this.tokens + gained);
    this.filledAt = now;
  }
}
