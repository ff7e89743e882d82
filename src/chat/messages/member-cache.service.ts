import { Injectable } from '@nestjs/common';

const MAX_CONVERSATIONS = 10_000;

interface Members {
  version: number;
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

  /** Returns those of these conversations that are cached, with the versions of their members. */
  versionsOf(conversationIds: number[]): [ids: number[], versions: number[]] {
    for (const id of this.cache.keys()) {
      if (this.cache.size <= MAX_CONVERSATIONS) break;
      this.cache.delete(id); // the oldest entry
    }
    const ids = [...new Set(conversationIds)].filter((id) => this.cache.has(id));
    return [ids, ids.map((id) => this.cache.get(id)!.version)];
  }

  /** `detail` as the database returns it: ids separated by commas; after a semicolon, pairs of a member and a blocked one. */
  set(conversationId: number, version: number, detail: string): void {
    const [ids, pairs] = detail.split(';');
    this.cache.set(conversationId, {
      version,
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
