import { Injectable } from '@nestjs/common';

const MAX_CONVERSATIONS = 10_000;

interface Members {
  version: number;
  /** As the database has returned them. */
  detail: string;
  ids: number[];
  /** By blocked member, the members who have blocked them. */
  blockers?: Map<number, Set<number>> | undefined;
}

/**
 * The members of conversations, as of the last append. Each append passes the cached versions and returns, under the
 * lock of the conversation, the members whose version has changed. The cache is therefore exact for the messages that
 * this append has stored. The same holds for the blocks among the members.
 */
@Injectable()
export class MemberCacheService {
  private readonly cache = new Map<number, Members>();

  /** Participant ids of the members. */
  of(conversationId: number): number[] {
    return this.cache.get(conversationId)?.ids ?? [];
  }

  /** The members who have blocked this one; undefined in a conversation without blocks. */
  blockersOf(conversationId: number, memberId: number): ReadonlySet<number> | undefined {
    return this.cache.get(conversationId)?.blockers?.get(memberId);
  }

  hasBlocks(conversationId: number): boolean {
    return this.cache.get(conversationId)?.blockers !== undefined;
  }

  /** The version of the cached members; null if they are not cached. */
  versionOf(conversationId: number): number | null {
    return this.cache.get(conversationId)?.version ?? null;
  }

  /** The cached members as `set` takes them. */
  detailOf(conversationId: number): string | undefined {
    return this.cache.get(conversationId)?.detail;
  }

  /** Returns these conversations once each, with the versions of their members; null for those that are not cached. */
  versionsOf(conversationIds: number[]): [ids: number[], versions: (number | null)[]] {
    for (const id of this.cache.keys()) {
      if (this.cache.size <= MAX_CONVERSATIONS) break;
      this.cache.delete(id); // the oldest entry
    }
    const ids = [...new Set(conversationIds)];
    return [ids, ids.map((id) => this.versionOf(id))];
  }

  /** Like `set`, unless the cached members are as new. */
  setIfNewer(conversationId: number, version: number, detail: string): void {
    if ((this.versionOf(conversationId) ?? -1) < version) this.set(conversationId, version, detail);
  }

  /** `detail` as the database returns it: ids separated by commas; after a semicolon, pairs of a member and a blocked one. */
  set(conversationId: number, version: number, detail: string): void {
    const [ids, pairs] = detail.split(';');
    this.cache.set(conversationId, {
      version,
      detail,
      ids: ids ? ids.split(',').map(Number) : [],
      blockers: blockersIn(pairs),
    });
  }
}

function blockersIn(pairs: string | undefined): Map<number, Set<number>> | undefined {
  if (!pairs) return undefined;
  const blockers = new Map<number, Set<number>>();
  for (const pair of pairs.split(',')) {
    const [blocker, blocked] = pair.split(':').map(Number) as [number, number];
    blockers.set(blocked, (blockers.get(blocked) ?? new Set()).add(blocker));
  }
  return blockers;
}
