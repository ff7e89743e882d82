import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '../../common/clock.provider.js';
import { type Problem, unavailable } from '../../http/problem.js';
import { mapToProblem } from '../../http/problem-mapping.js';
import { POOL } from '../../database/database.module.js';
import type { Connection } from '../connections/connection.js';
import type { PendingMessage, Outcome } from './pending-message.js';
import { MemberCacheService } from './member-cache.service.js';
import type { SendMessageFrame } from './messages.dto.js';
import { nonceOf } from './nonce.js';
import { MessageResultsService } from './message-results.service.js';

const MAX_WAITING = 20_000;
const MAX_WAITING_CHARACTERS = 32 * 1024 * 1024;
const MAX_BATCH = 500;
const MAX_BATCH_CHARACTERS = 1_000_000;
const RETRY_MS = 200;
/** How long a database may be away before senders are told. */
const MAX_OUTAGE_MS = 30_000;

type Row = [kind: Outcome['kind'] | 'members', nonce: string, id: string, number: string, detail: string | null];

const APPEND = 'select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8)';

/**
 * Takes messages to the database, in the order in which they came, one batch at a time: what comes while a batch is
 * under way makes the next one. Alone, a message waits for nothing; under load, batches grow by themselves.
 */
@Injectable()
export class MessageBatchWriterService {
  private readonly log = new Logger(MessageBatchWriterService.name);
  private readonly waiting: PendingMessage[] = [];
  private waitingCharacters = 0;
  private isRunning = false;
  private lastStamp = 0;
  private failingSince: number | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly members: MemberCacheService,
    private readonly postman: MessageResultsService,
    private readonly clock: Clock,
  ) {}

  /** Resolves when it has been answered, one way or the other. Raises `busy`. */
  append(from: Connection, request: SendMessageFrame): Promise<undefined> {
    if (this.waiting.length >= MAX_WAITING || this.waitingCharacters >= MAX_WAITING_CHARACTERS)
      throw unavailable('busy');
    this.waitingCharacters += request.content.length;
    const nonce = nonceOf(from.session!.participant_id, request.nonce);
    return new Promise((resolve) => {
      this.waiting.push({ from, request, nonce, done: () => resolve(undefined) });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    await Promise.resolve(); // frames of the same turn go together
    while (this.waiting.length > 0) await this.store(this.takeBatch());
    this.isRunning = false;
  }

  /** The same nonce twice makes two batches, so that the second finds the first. */
  private takeBatch(): PendingMessage[] {
    const nonces = new Set<string>();
    let characters = 0;
    let count = 0;
    for (const { nonce, request } of this.waiting) {
      characters += request.content.length;
      if (nonces.has(nonce) || count === MAX_BATCH || (count > 0 && characters > MAX_BATCH_CHARACTERS)) break;
      nonces.add(nonce);
      count++;
    }
    const batch = this.waiting.splice(0, count);
    for (const { request } of batch) this.waitingCharacters -= request.content.length;
    return batch;
  }

  /** A stamp is of one batch alone: by it, what an earlier attempt has stored is told from what somebody sends again. */
  private async store(batch: PendingMessage[], stamp = this.nextStamp()): Promise<void> {
    for (;;) {
      try {
        const outcomes = await this.ask(batch, stamp);
        this.failingSince = undefined;
        return this.postman.answer(batch, outcomes, stamp);
      } catch (error) {
        const problem = mapToProblem(error);
        const isLost = problem.code === 'database_unavailable' || problem.code === 'busy';
        if (!isLost) return this.isolate(batch, stamp, problem);
        if (this.isTooLong(problem)) return this.giveUp(batch, problem);
        await sleep(RETRY_MS);
      }
    }
  }

  /** With nobody left who waits, the next failure begins an outage of its own. */
  private giveUp(batch: PendingMessage[], problem: Problem): void {
    if (this.waiting.length === 0) this.failingSince = undefined;
    this.postman.refuse(batch, problem);
  }

  private nextStamp(): number {
    this.lastStamp = Math.max(this.lastStamp + 1, this.clock.now() * 1000);
    return this.lastStamp;
  }

  private isTooLong(problem: Problem): boolean {
    const now = this.clock.now();
    this.failingSince ??= now;
    if (now === this.failingSince) this.log.warn(`messages wait for the database (${String(problem.cause)})`);
    return now - this.failingSince > MAX_OUTAGE_MS;
  }

  /** One bad row never hurts its batch. */
  private async isolate(batch: PendingMessage[], stamp: number, problem: Problem): Promise<void> {
    if (batch.length === 1) {
      this.log.error(problem.cause instanceof Error ? problem.cause : problem);
      return this.postman.refuse(batch, problem);
    }
    const half = batch.length >> 1;
    await this.store(batch.slice(0, half), stamp);
    await this.store(batch.slice(half), stamp);
    return undefined;
  }

  private async ask(batch: PendingMessage[], stamp: number): Promise<Map<string, Outcome>> {
    const conversations = batch.map(({ request }) => request.conversation_id);
    const values = [
      conversations,
      batch.map(({ from }) => from.session!.participant_id),
      batch.map(({ request }) => request.reply_id ?? null),
      batch.map(({ nonce }) => nonce),
      batch.map(({ request }) => request.content),
      stamp,
      ...this.members.known(conversations),
    ];
    const { rows } = await this.pool.query<Row>({ name: 'chat-append', text: APPEND, values, rowMode: 'array' });
    const outcomes = new Map<string, Outcome>();
    for (const [kind, nonce, id, number, detail] of rows) {
      if (kind === 'members') this.members.learn(Number(id), Number(number), detail!);
      else outcomes.set(nonce, { kind, id: Number(id), number: Number(number), username: detail });
    }
    return outcomes;
  }
}
