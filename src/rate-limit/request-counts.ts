/** Subjects counted at a time. Bounds the memory to some 10 MB, even for a client that owns many IPv6 networks. */
const MAX_SUBJECTS = 100_000;

/**
 * Requests per subject, such as a network, in the current window, in the memory of this process. All subjects share the
 * window, so that its end discards all counts at once. While MAX_SUBJECTS are counted, further ones are not limited.
 */
export class RequestCounts {
  private counts = new Map<string, number>();
  private windowEnd = 0;

  /** Counts a request at the time `now` and returns the subject's count in the window. Times are in milliseconds. */
  increment(subject: string, now: number, windowMs: number): { count: number; windowEnd: number } {
    if (now >= this.windowEnd || now < this.windowEnd - windowMs) {
      this.windowEnd = now + windowMs;
      this.counts = new Map();
    }
    const count = (this.counts.get(subject) ?? 0) + 1;
    if (count > 1 || this.counts.size < MAX_SUBJECTS) this.counts.set(subject, count);
    return { count, windowEnd: this.windowEnd };
  }
}
