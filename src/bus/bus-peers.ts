/** A peer whose heartbeats do not arrive for this long has ended, or is cut off. */
const LEASE_MS = 4_000;
/** Frames may arrive later than a heartbeat that counts them: in a cluster they take another way. */
const REORDERING_MS = 100;

interface Peer {
  heardAt: number;
  /** The count of the last frame by partition; undefined if none was received since the peer is known. */
  counts: (number | undefined)[];
}

/** The other nodes that are known from their frames and heartbeats. Notices lost frames. */
export class BusPeers {
  private readonly peers = new Map<string, Peer>();

  /** `onLoss` is called with the partition whose frames are lost; undefined for all. */
  constructor(private readonly onLoss: (partition: number | undefined) => void) {}

  onFrame(publisher: string, partition: number, count: number): void {
    const peer = this.peers.get(publisher);
    if (!peer) return; // the first heartbeat starts the account
    const last = peer.counts[partition];
    if (last !== undefined && count <= last) return;
    peer.counts[partition] = count;
    if (last !== undefined && count > last + 1) this.onLoss(partition);
  }

  onHeartbeat(publisher: string, counts: number[], now: number): void {
    const peer = this.peers.get(publisher);
    if (peer) {
      peer.heardAt = now;
      this.compareLater(publisher, peer, counts);
      return;
    }
    this.peers.set(publisher, { heardAt: now, counts: [...counts] });
    if (counts.some((count) => count > 0)) this.onLoss(undefined); // it has published before it was heard
  }

  onShutdown(publisher: string, counts: number[]): void {
    const peer = this.peers.get(publisher);
    if (!peer) return;
    this.compareLater(publisher, peer, counts);
    peer.heardAt = Infinity;
    setTimeout(() => this.peers.delete(publisher), 2 * REORDERING_MS).unref();
  }

  /** Forgets peers whose lease ran out: whatever they published last may be lost. */
  check(now: number): void {
    for (const [publisher, { heardAt }] of this.peers) {
      if (now - heardAt < LEASE_MS) continue;
      this.peers.delete(publisher);
      this.onLoss(undefined);
    }
  }

  /** Forgets all peers, because this node was disconnected and repairs everything. */
  clear(): void {
    this.peers.clear();
  }

  private compareLater(publisher: string, peer: Peer, counts: number[]): void {
    const missing = counts.flatMap((count, partition) => ((peer.counts[partition] ?? 0) < count ? [partition] : []));
    if (missing.length === 0) return;
    setTimeout(() => {
      if (this.peers.get(publisher) !== peer) return;
      for (const partition of missing) {
        if ((peer.counts[partition] ?? 0) >= counts[partition]!) continue;
        peer.counts[partition] = counts[partition];
        this.onLoss(partition);
      }
    }, REORDERING_MS).unref();
  }
}
