import { Inject, Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import type { Problem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { DurationCounts } from '../../metrics/counts.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { FollowedConversationsService } from '../delivery/followed-conversations.service.js';
import { MemberCacheService } from '../delivery/member-cache.service.js';
import { MembershipsService } from '../delivery/memberships.service.js';
import { type MissedMessage, toMissedMessage } from '../delivery/stored-messages.js';
import type { AttachmentDto } from '../protocol/message.dto.js';
import { PushCandidatesService } from '../push/push-candidates.service.js';
import type { AppendOutcome, AppendResult, NewMessage } from './new-message.js';

const DURATIONS = 'machi_chat_append_duration_seconds';
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const RETRY_MS = 200;
/** How long a batch is retried while the database is unavailable. */
const MAX_OUTAGE_MS = 30_000;

/** Stores a batch in one call; the function is defined in the chat migration. See docs/decisions/appending-in-batches.md. */
const APPEND = 'select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9)';

/** Stores one message, with the same rows as `APPEND`: a message that arrives alone is answered sooner. */
const APPEND_ONE = 'select * from append_message($1, $2, $3, $4, $5, $6, $7, $8)';

/** Stores one message with attachments. The attachments must be of its sender and not in another message. */
const APPEND_WITH_ATTACHMENTS =
  'select * from append_message_with_attachments($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)';

/** Also notes, in the same commit, the messages that may have to be pushed. `PushColumns` and now are the parameters from `first` on. */
const andNote = (append: string, first: number): string => `with appended as (${append}), noted as (
    insert into push_messages (conversation_id, message_id, mentions, created_at)
    select p.conversation_id, a.id, string_to_array(p.mentions, ' '), $${first + 3}
    from unnest($${first}::uuid[], $${first + 1}::bigint[], $${first + 2}::text[]) as p (nonce, conversation_id, mentions)
    join appended a on a.kind = 'stored' and a.nonce = p.nonce
  )
  select * from appended`;

/** Prepared statements. */
const QUERIES = {
  plain: { name: 'chat-append', text: APPEND },
  plain_and_note: { name: 'chat-append-pushes', text: andNote(APPEND, 10) },
  one: { name: 'chat-append-one', text: APPEND_ONE },
  one_and_note: { name: 'chat-append-one-pushes', text: andNote(APPEND_ONE, 9) },
  attachments: { name: 'chat-append-attachments', text: APPEND_WITH_ATTACHMENTS },
  attachments_and_note: { name: 'chat-append-attachments-pushes', text: andNote(APPEND_WITH_ATTACHMENTS, 11) },
};

type AppendKind = 'plain' | 'one' | 'attachments';
type OutcomeKind = Exclude<AppendOutcome['kind'], 'failed'>;
/**
 * For an outcome: nonce, message id, time in microseconds, username of the sender, revision. For `members`, the members of a
 * conversation whose cached version is outdated: nothing, conversation id, version, participant ids. For `missed`, a message
 * that this node has not delivered: nonce, message id, conversation id, fields as JSON, revision; `more` if it is one too many. For
 * `attachments`, what clients are told of those of the message: nonce, nothing, nothing, a JSON list.
 */
type Row = [
  kind: OutcomeKind | 'members' | 'missed' | 'more' | 'attachments',
  nonce: string,
  id: string,
  number: string,
  detail: string | null,
  revision: string,
];

/** Stores each batch of messages exactly once, also if the database is unavailable for a while. */
@Injectable()
export class MessageBatchWriterService {
  private readonly log = new Logger(MessageBatchWriterService.name);
  private readonly durations = new DurationCounts(DURATION_BUCKETS);
  private failures = 0;
  private lastStamp = 0;
  private failingSince: number | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly members: MemberCacheService,
    private readonly followed: FollowedConversationsService,
    private readonly memberships: MembershipsService,
    private readonly pushes: PushCandidatesService,
    private readonly clock: Clock,
    metrics: MetricsService,
  ) {
    metrics.histogramOf(DURATIONS, 'Time to store a batch of messages.', () => this.durations.read(DURATIONS));
    metrics.total('machi_chat_append_failures_total', 'Failed attempts to store a batch.', () => this.failures);
  }

  /**
   * Stores the messages and returns one outcome for each, in their order. Retries while the database is unavailable, for
   * up to 30 s. A message that the database refuses fails alone. Must not be called again before it has resolved.
   */
  async append(messages: NewMessage[], stamp = this.nextStamp()): Promise<AppendResult> {
    for (;;) {
      try {
        const start = performance.now();
        const result = await this.insert(messages, stamp);
        this.durations.add((performance.now() - start) / 1000);
        this.failingSince = undefined;
        return result;
      } catch (error) {
        this.failures++;
        const problem = mapToProblem(error);
        const isUnavailable = problem.code === 'database_unavailable' || problem.code === 'busy';
        if (!isUnavailable) return this.appendHalves(messages, stamp, problem);
        if (this.isOutageTooLong(problem)) return failed(messages, problem);
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
    this.failingSince = Math.min(this.failingSince, now); // the clock may have been set back
    return now - this.failingSince > MAX_OUTAGE_MS;
  }

  /** Halves a batch that the database refuses until the refused message is alone. */
  private async appendHalves(messages: NewMessage[], stamp: number, problem: Problem): Promise<AppendResult> {
    if (messages.length === 1) {
      this.log.error(new Error('Storing a message failed', { cause: problem.cause ?? problem }));
      return failed(messages, problem);
    }
    const half = messages.length >> 1;
    const first = await this.append(messages.slice(0, half), stamp);
    const second = await this.append(messages.slice(half), stamp);
    // the second half finds what the first one has stored, and again what it has missed
    const known = new Set([...messages.slice(0, half), ...first.missed].map(({ nonce }) => nonce));
    return {
      outcomes: [...first.outcomes, ...second.outcomes],
      missed: [...first.missed, ...second.missed.filter(({ nonce }) => !known.has(nonce))],
      incomplete: [...first.incomplete, ...second.incomplete],
    };
  }

  private async insert(messages: NewMessage[], stamp: number): Promise<AppendResult> {
    const rows = await this.queryAppend(messages, stamp);
    const changed = conversationsWithNewMembersAndMissed(rows);
    if (changed.length > 0) await this.noteJoined(changed);
    const outcomes = new Map<string, AppendOutcome>();
    const missed: MissedMessage[] = [];
    const incomplete: number[] = [];
    let attachments: AttachmentDto[] | null = null;
    for (const [kind, nonce, id, number, detail, revision] of rows) {
      if (kind === 'members') this.members.set(Number(id), Number(number), detail!);
      else if (kind === 'missed') {
        missed.push(toMissedMessage(Number(number), Number(id), Number(revision), nonce, detail!));
      } else if (kind === 'more') incomplete.push(Number(number));
      else if (kind === 'attachments') attachments = JSON.parse(detail!) as AttachmentDto[];
      else
        outcomes.set(nonce, toOutcome(kind, Number(id), Number(number), detail, Number(revision), stamp, attachments));
    }
    return {
      outcomes: messages.map(({ nonce }) => outcomes.get(nonce)!),
      missed: missed.filter(({ nonce }) => outcomes.get(nonce)?.kind !== 'stored'), // stored by an attempt whose answer was lost
      incomplete,
    };
  }

  /** This node may not have been told yet who has become a member: what was stored before that is not for them. */
  private async noteJoined(conversationIds: number[]): Promise<void> {
    const after = conversationIds.map((id): [number, number] => [id, this.followed.revisionOf(id) ?? 0]);
    for (const row of await this.memberships.listJoinedAfter(after))
      this.followed.noteJoined(row.conversation_id, row.participant_id, row.revision);
  }

  private async queryAppend(messages: NewMessage[], stamp: number): Promise<Row[]> {
    const { kind, values } = this.appendOf(messages, stamp);
    const pushed = this.pushes.select(messages);
    if (pushed) values.push(...pushed, this.clock.date());
    const query = QUERIES[pushed ? (`${kind}_and_note` as const) : kind];
    const { rows } = await this.pool.query<Row>({ ...query, values, rowMode: 'array' });
    if (pushed) this.pushes.noted();
    return rows;
  }

  /** The statement that stores these messages, and its parameters. */
  private appendOf(messages: NewMessage[], stamp: number): { kind: AppendKind; values: unknown[] } {
    const conversationIds = messages.map(({ conversation_id }) => conversation_id);
    const [ids, versions] = this.members.versionsOf(conversationIds);
    const delivered = this.followed.isActive ? ids.map((id) => this.followed.revisionOf(id) ?? null) : [];
    const [first] = messages;
    if (first?.attachment_ids)
      return {
        kind: 'attachments',
        values: [...valuesOf(first), stamp, ids, versions, delivered, first.attachment_ids],
      };
    if (first && messages.length === 1)
      return { kind: 'one', values: [...valuesOf(first), stamp, versions[0], delivered[0]] };
    const columns = [
      conversationIds,
      messages.map(({ sender_id }) => sender_id),
      messages.map(({ reply_id }) => reply_id),
      messages.map(({ nonce }) => nonce),
      messages.map(({ content }) => content),
    ];
    return { kind: 'plain', values: [...columns, stamp, ids, versions, delivered] };
  }
}

function conversationsWithNewMembersAndMissed(rows: Row[]): number[] {
  const missed = new Set(rows.flatMap(([kind, , , number]) => (kind === 'missed' ? [Number(number)] : [])));
  return rows.flatMap(([kind, , id]) => (kind === 'members' && missed.has(Number(id)) ? [Number(id)] : []));
}

const valuesOf = ({ conversation_id, sender_id, reply_id, nonce, content }: NewMessage): unknown[] => [
  conversation_id,
  sender_id,
  reply_id,
  nonce,
  content,
];

const failed = (messages: NewMessage[], problem: Problem): AppendResult => ({
  outcomes: messages.map(() => ({ kind: 'failed', problem })),
  missed: [],
  incomplete: [],
});

function toOutcome(
  kind: OutcomeKind,
  id: number,
  storedAt: number,
  senderUsername: string | null,
  revision: number,
  stamp: number,
  attachments: AttachmentDto[] | null,
): AppendOutcome {
  if (kind === 'stored') return { kind, id, revision, storedAt: stamp, senderUsername, attachments };
  if (kind !== 'duplicate') return { kind };
  return { kind: storedAt === stamp ? 'stored' : kind, id, revision, storedAt, senderUsername, attachments };
}
