/** Subjects counted at a time. Bounds the memory to some 10 MB, even for a client that owns many IPv6 networks. */
const MAX_SUBJECTS = 100_000;
/** Subjects with fewer requests are not shared with other nodes. */
const MIN_SHARED = 20;
const MAX_SHARED = 1_000;

/**
 * Requests per subject, such as a network, in the current window, in the memory of this process. All subjects share the
 * window, so that its end discards all counts at once. While MAX_SUBJECTS are counted, further ones are not limited.
 */
export class RequestCounts {
  private counts = new Map<string, number>();
  /** Requests that are not yet shared with other nodes. */
  private unshared = new Map<string, number>();
  private windowEnd = 0;

  /** `isShared`: windows begin at the same time on all nodes, and requests are shared with other nodes. */
  constructor(private readonly isShared = false) {}

  /** Counts a request at the time `now` and returns the subject's count in the window. Times are in milliseconds. */
  increment(subject: string, now: number, windowMs: number): { count: number; windowEnd: number } {
    if (now >= this.windowEnd || now < this.windowEnd - windowMs) this.begin(now, windowMs);
    if (this.isShared) this.unshared.set(subject, (this.unshared.get(subject) ?? 0) + 1);
    return { count: this.add(subject, 1), windowEnd: this.windowEnd };
  }

  /** Adds requests that another node has counted in the window with this end. */
  addRemote(requests: [subject: string, count: number][], windowEnd: number): void {
    if (windowEnd !== this.windowEnd) return;
    for (const [subject, count] of requests) this.add(subject, count);
  }

  /** Returns the requests that are not yet shared with other nodes, and the end of their window. */
  takeUnshared(): { requests: [subject: string, count: number][]; windowEnd: number } {
    const requests: [string, number][] = [];
    for (const [subject, count] of this.unshared) {
      if (requests.length === MAX_SHARED) break;
      if ((this.counts.get(subject) ?? 0) < MIN_SHARED) continue;
      requests.push([subject, count]);
      this.unshared.delete(subject);
    }
    return { requests, windowEnd: this.windowEnd };
  }

  private begin(now: number, windowMs: number): void {
    this.windowEnd = this.isShared ? (Math.floor(now / windowMs) + 1) * windowMs : now + windowMs;
    this.counts = new Map();
    this.unshared = new Map();
  }

  private add(subject: string, added: number): number {
    const count = (this.counts.get(subject) ?? 0) + added;
    if (count > added || this.counts.size < MAX_SUBJECTS) this.counts.set(subject, count);
    return count;
  }
}
