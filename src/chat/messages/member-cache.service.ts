import { Injectable } from '@nestjs/common';

const MAX_KNOWN = 10_000;

interface Known {
  version: number;
  ids: number[];
}

/**
 * Who is in which conversation, as of the last message. Each append says which versions are known here and learns,
 * under the conversation's lock, of those that have changed: it is never wrong for the messages it is used for.
 */
@Injectable()
export class MemberCacheService {
  private readonly cache = new Map<number, Known>();

  of(conversationId: number): number[] {
    return this.cache.get(conversationId)?.ids ?? [];
  }

  /** Conversations whose members are known, and the versions that are. */
  known(conversationIds: number[]): [ids: number[], versions: number[]] {
    for (const id of this.cache.keys()) {
      if (this.cache.size <= MAX_KNOWN) break;
      this.cache.delete(id); // the one learned first
    }
    const ids = [...new Set(conversationIds)].filter((id) => this.cache.has(id));
    return [ids, ids.map((id) => this.cache.get(id)!.version)];
  }

  learn(conversationId: number, version: number, ids: string): void {
    this.cache.set(conversationId, { version, ids: ids.split(',').map(Number) });
  }
}
