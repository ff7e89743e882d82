import { Injectable } from '@nestjs/common';

const MAX_CONVERSATIONS = 10_000;

interface Members {
  version: number;
  ids: number[];
}

/**
 * The members of conversations, as of the last append. Each append passes the cached versions and returns, under the
 * lock of the conversation, the members whose version has changed. The cache is therefore exact for the messages that
 * this append has stored.
 */
@Injectable()
export class MemberCacheService {
  private readonly cache = new Map<number, Members>();

  /** Participant ids of the members. */
  of(conversationId: number): number[] {
    return this.cache.get(conversationId)?.ids ?? [];
  }

  /** The cached ones among these conversations, and their versions. */
  versionsOf(conversationIds: number[]): [ids: number[], versions: number[]] {
    for (const id of this.cache.keys()) {
      if (this.cache.size <= MAX_CONVERSATIONS) break;
      this.cache.delete(id); // the oldest entry
    }
    const ids = [...new Set(conversationIds)].filter((id) => this.cache.has(id));
    return [ids, ids.map((id) => this.cache.get(id)!.version)];
  }

  /** `ids` as the database returns them, separated by commas. */
  set(conversationId: number, version: number, ids: string): void {
    this.cache.set(conversationId, { version, ids: ids.split(',').map(Number) });
  }
}
