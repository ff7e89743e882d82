import { Inject, Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/pool.js';
import type { Problem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { MemberCacheService } from './member-cache.service.js';
import type { AppendOutcome, NewMessage } from './new-message.js';

const RETRY_MS = 200;
/** How long a batch is retried while the database is unavailable. */
const MAX_OUTAGE_MS = 30_000;

/** Stores a batch in one call; the function is defined in the chat migration. See docs/decisions/appending-in-batches.md. */
const APPEND = 'select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8)';

type OutcomeKind = Exclude<AppendOutcome['kind'], 'failed'>;
/**
 * For an outcome: nonce, message id, time in microseconds, username of the sender. For `members`, the members of a
 * conversation whose cached version is outdated: nothing, conversation id, version, participant ids.
 */
type Row = [kind: OutcomeKind | 'members', nonce: string, id: string, number: string, detail: string | null];

/** Stores each batch of messages exactly once, also if the database is unavailable for a while. */
@Injectable()
export class MessageBatchWriterService {
  private readonly log = new Logger(MessageBatchWriterService.name);
  private lastStamp = 0;
  private failingSince: number | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly members: MemberCacheService,
    private readonly clock: Clock,
  ) {}

  /**
   * Stores the messages and returns one outcome for each, in their order. Retries while the database is unavailable, for
   * up to 30 s. A message that the database refuses fails alone. Must not be called again before it has resolved.
   */
  async append(messages: NewMessage[], stamp = this.nextStamp()): Promise<AppendOutcome[]> {
    for (;;) {
      try {
        const outcomes = await this.insert(messages, stamp);
        this.failingSince = undefined;
        return outcomes;
      } catch (error) {
        const problem = mapToProblem(error);
        const isUnavailable = problem.code === 'database_unavailable' || problem.code === 'busy';
        if (!isUnavailable) return this.appendHalves(messages, stamp, problem);
        if (this.isOutageTooLong(problem)) return messages.map(() => ({ kind: 'failed', problem }));
        await sleep(RETRY_MS);
      }
    }
  }

  /** To be called when no message waits any more: the next failure then starts a new outage. */
  resetOutage(): void {
    this.failingSince = undefined;
  }

  /**
   * The time at which a batch is stored, in microseconds. No other batch has the same time: a message with this time was
   * stored by an earlier attempt whose answer was lost.
   */
  private nextStamp(): number {
    this.lastStamp = Math.max(this.lastStamp + 1, this.clock.now() * 1000);
    return this.lastStamp;
  }

  private isOutageTooLong({ cause }: Problem): boolean {
    const now = this.clock.now();
    if (this.failingSince === undefined) {
      this.failingSince = now;
      this.log.warn(`Appending messages failed (${String(cause)}); retrying for up to ${MAX_OUTAGE_MS / 1000} s`);
    }
    return now - this.failingSince > MAX_OUTAGE_MS;
  }

  /** Halves a batch that the database refuses until the refused message is alone. */
  private async appendHalves(messages: NewMessage[], stamp: number, problem: Problem): Promise<AppendOutcome[]> {
    if (messages.length === 1) {
      this.log.error(new Error('Storing a message failed', { cause: problem.cause ?? problem }));
      return [{ kind: 'failed', problem }];
    }
    const half = messages.length >> 1;
    const first = await this.append(messages.slice(0, half), stamp);
    return [...first, ...(await this.append(messages.slice(half), stamp))];
  }

  private async insert(messages: NewMessage[], stamp: number): Promise<AppendOutcome[]> {
    const conversationIds = messages.map(({ conversation_id }) => conversation_id);
    const values = [
      conversationIds,
      messages.map(({ sender_id }) => sender_id),
      messages.map(({ reply_id }) => reply_id),
      messages.map(({ nonce }) => nonce),
      messages.map(({ content }) => content),
      stamp,
      ...this.members.versionsOf(conversationIds),
    ];
    const { rows } = await this.pool.query<Row>({ name: 'chat-append', text: APPEND, values, rowMode: 'array' });
    const outcomes = new Map<string, AppendOutcome>();
    for (const [kind, nonce, id, number, detail] of rows) {
      if (kind === 'members') this.members.set(Number(id), Number(number), detail!);
      else outcomes.set(nonce, toOutcome(kind, Number(id), Number(number), detail, stamp));
    }
    return messages.map(({ nonce }) => outcomes.get(nonce)!);
  }
}

function toOutcome(
  kind: OutcomeKind,
  id: number,
  storedAt: number,
  senderUsername: string | null,
  stamp: number,
): AppendOutcome {
  if (kind === 'stored') return { kind, id, storedAt: stamp, senderUsername };
  if (kind !== 'duplicate') return { kind };
  return { kind: storedAt === stamp ? 'stored' : kind, id, storedAt, senderUsername };
}
