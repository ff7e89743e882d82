import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { EventDeliveryService } from '../delivery/event-delivery.service.js';
import type { Role } from '../protocol/roles.js';
import type { EventKind } from './conversation-event.entity.js';
import type { ChangedDto } from './conversation-events.dto.js';

/** Returns no row, and locks nothing, if the caller is not a member. */
const LOCK = `select c.revision, c.name from conversations c
  where c.id = $1 and ($2::bigint is null or exists (
    select from conversation_members m where m.conversation_id = c.id and m.participant_id = $2))
  for no key update`;

const SELECT_MEMBER = `select role, joined_after_id from conversation_members where conversation_id = $1 and participant_id = $2`;

/** $3: how many revisions the event takes: none, if a trigger has counted the change. */
const RECORD = `with counted as (
    update conversations set revision = revision + $3::int where id = $1 returning revision
  )
  insert into conversation_events (conversation_id, revision, kind, actor_id, message_id, subject_ids, value, created_at)
  select $1, revision, $2, $4, $5, $6, $7, $8 from counted returning revision`;

interface EventFields {
  messageId?: number;
  /** Participant ids. */
  subjectIds?: number[];
  value?: string | null;
  /** The triggers of `conversation_members` have counted the change. */
  isCounted?: boolean;
}

/** A change of a conversation in progress: its row is locked until the transaction ends. */
export interface ConversationChange {
  manager: EntityManager;
  /** The role of the caller. */
  role: Role;
  name: string;
  /** Messages up to this id are not shown to the caller. */
  joinedAfterId: number;
  at: Date;
  /** Stores an event, which is sent to the members after the commit. Returns its revision. */
  record: (kind: EventKind, fields?: EventFields) => Promise<number>;
}

interface ChangeOptions {
  conversationId: number;
  /** Participant id. */
  actorId: number;
  /** Whether the caller need not be a member: a moderator. */
  isModerator?: boolean;
  /** Takes locks that come before the one of the conversation. */
  before?: (manager: EntityManager) => Promise<void>;
}

/**
 * Changes conversations. The changes of one conversation run one after the other, over all nodes by the lock of its row, and on
 * this node in a queue, so that waiting ones hold no database connection and their events are sent in order.
 */
@Injectable()
export class ConversationChangesService {
  private readonly last = new Map<number, Promise<unknown>>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly delivery: EventDeliveryService,
    private readonly clock: Clock,
  ) {}

  /** Runs a change and tells the members. Throws `conversation_not_found`, also if the caller is not a member. */
  async change(options: ChangeOptions, work: (change: ConversationChange) => Promise<void>): Promise<ChangedDto> {
    const { conversationId } = options;
    const running = (this.last.get(conversationId) ?? Promise.resolve()).then(() => this.run(options, work));
    const settled = running.catch(() => undefined);
    this.last.set(conversationId, settled);
    try {
      return await running;
    } finally {
      if (this.last.get(conversationId) === settled) this.last.delete(conversationId);
    }
  }

  private async run(
    { conversationId, actorId, isModerator = false, before }: ChangeOptions,
    work: (change: ConversationChange) => Promise<void>,
  ): Promise<ChangedDto> {
    const [first, last] = await this.dataSource.transaction(async (manager): Promise<[number, number]> => {
      await before?.(manager);
      const values = [conversationId, isModerator ? null : actorId];
      const [conversation] = await manager.query<{ revision: string; name: string }[]>(LOCK, values);
      const [member] = await manager.query<{ role: Role; joined_after_id: string }[]>(SELECT_MEMBER, [
        conversationId,
        actorId,
      ]);
      if (!conversation || (!member && !isModerator)) throw new Problem('conversation_not_found');
      const at = this.clock.date();
      let revision = Number(conversation.revision);
      await work({
        manager,
        role: member?.role ?? 'member',
        name: conversation.name,
        joinedAfterId: Number(member?.joined_after_id ?? 0),
        at,
        record: async (kind, { messageId, subjectIds = [], value = null, isCounted = false } = {}) => {
          const step = isCounted ? 0 : 1;
          const fields = [conversationId, kind, step, actorId, messageId ?? null, subjectIds, value, at];
          const [row] = await returningRows<{ revision: string }>(manager, RECORD, fields);
          return (revision = Number(row!.revision));
        },
      });
      return [Number(conversation.revision), revision];
    });
    if (last > first) await this.delivery.deliver(conversationId, first);
    return { conversation_id: conversationId, revision: last };
  }
}
