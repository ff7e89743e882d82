/** So many at once, and so many a second in the long run. */
export interface Rate {
  burst: number;
  perSecond: number;
}

export class TokenBucket {
  private left: number;
  private at: number;

  constructor(
    private readonly rate: Rate,
    now: number,
  ) {
    this.left = rate.burst;
    this.at = now;
  }

  /** False when there is none left to take. */
  take(now: number): boolean {
    this.fill(now);
    if (this.left < 1) return false;
    this.left--;
    return true;
  }

  /** Whether anything is left. */
  isOpen(now: number): boolean {
    this.fill(now);
    return this.left > 0;
  }

  /** Takes so much in any case; what was not there has to come before anything is left again. */
  charge(now: number, count: number): void {
    this.fill(now);
    this.left -= count;
  }

  isFull(now: number): boolean {
    this.fill(now);
    return this.left === this.rate.burst;
  }

  private fill(now: number): void {
    const gained = (Math.max(0, now - this.at) / 1000) * this.rate.perSecond;
    this.left = Math.min(this.rate.burst, this.left + gained);
    this.at = now;
  }
}
