/** Networks counted at a time. Bounds the memory to some 10 MB, even for a client that owns many IPv6 networks. */
const MAX_NETWORKS = 100_000;

/**
 * Requests per network in the current window, in the memory of this process. All networks share the window, so that its
 * end discards all counts at once. While MAX_NETWORKS are counted, requests of further networks are not limited.
 */
export class NetworkRequestCounts {
  private counts = new Map<string, number>();
  private windowEnd = 0;

  /** Counts a request at the time `now` and returns the network's count in the window. Times are in milliseconds. */
  increment(network: string, now: number, windowMs: number): { count: number; windowEnd: number } {
    if (now >= this.windowEnd || now < this.windowEnd - windowMs) {
      this.windowEnd = now + windowMs;
      this.counts = new Map();
    }
    const count = (this.counts.get(network) ?? 0) + 1;
    if (count > 1 || this.counts.size < MAX_NETWORKS) this.counts.set(network, count);
    return { count, windowEnd: this.windowEnd };
  }
}
