import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS, LOCK_SHARED } from '../../database/advisory-locks.js';
import { afterCommit } from '../../database/after-commit.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { MEMBERS_QUOTA } from '../../rate-limit/quotas.js';
import { ChatQuotasService } from '../connections/chat-quotas.service.js';
import type { ChatSession } from '../connections/connection.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ConversationsService } from '../conversations/conversations.service.js';
import { EventDeliveryService } from '../delivery/event-delivery.service.js';
import { RemoteConversationsService } from '../delivery/remote-conversations.service.js';
import { type ConversationChange, ConversationChangesService } from '../events/conversation-changes.service.js';
import type { ChangedDto } from '../events/conversation-events.dto.js';
import { DELETED_USER } from '../protocol/placeholders.js';
import type { Role } from '../protocol/roles.js';
import type { MemberDto } from './members.dto.js';

/** As many as `create_conversation` accepts, and the caller. */
const MAX_MEMBERS = 1001;
const PAGE_SIZE = 500;

/** $2: participant ids, $3: the time. They see what is written from now on. */
const INSERT_MEMBERS = `insert into conversation_members
    (conversation_id, participant_id, created_at, joined_after_id, joined_revision, read_message_id, read_sequence)
  select c.id, p.id, $3, l.id, c.revision, l.id, c.last_sequence
  from conversations c cross join unnest($2::bigint[]) as p (id)
  cross join lateral (select coalesce(max(x.id), 0) as id from messages x where x.conversation_id = c.id) l
  where c.id = $1 on conflict do nothing returning participant_id`;

const COUNT_MEMBERS = 'select members_count from conversations where id = $1';

const REMOVE_MEMBER = `delete from conversation_members where conversation_id = $1 and participant_id = $2 returning 1`;
const SELECT_ROLE = 'select role from conversation_members where conversation_id = $1 and participant_id = $2';
const UPDATE_ROLE = 'update conversation_members set role = $3 where conversation_id = $1 and participant_id = $2';
const PASS_ON_OWNERSHIP = 'select pass_on_ownership($1, $2, $3)';

/** An owner who is not deleted. */
const HAS_OWNER = `select 1 from conversation_members m join participants p on p.id = m.participant_id
  where m.conversation_id = $1 and m.role = 'owner' and p.user_id is not null`;
/** Another one than $2. */
const HAS_OTHER_OWNER = `${HAS_OWNER} and m.participant_id <> $2`;

/** A deletion locks the participant of its user; others wait for it before they make that participant an owner. */
const LOCK_LEAVER = 'select id from participants where user_id = $1 for no key update';
const LOCK_SUCCESSORS = `select p.id from conversation_members m join participants p on p.id = m.participant_id
  where m.conversation_id = $1 and p.user_id is not null order by p.id for share of p`;
const LOCK_SUCCESSOR = 'select id from participants where id = $1 and user_id is not null for share';

/**
 * $2: participant id of the caller, $3: the name after which the page starts. Deleted users have one name, so a page that
 * ends among them has all of them: the next page starts after that name. They come last, so that a member who is deleted
 * between two pages is not missed.
 */
const SELECT_MEMBERS = `select coalesce(u.username, '${DELETED_USER}') as username, m.role,
    case when m.read_message_id > 0 and k.blocked_id is null then m.read_message_id end as read_message_id
  from conversation_members m join participants p on p.id = m.participant_id left join users u on u.id = p.user_id
  left join lateral (
    select b.blocked_id from blocks b
    where (b.participant_id = m.participant_id and b.blocked_id = $2) or (b.participant_id = $2 and b.blocked_id = m.participant_id)
    limit 1
  ) k on true
  where m.conversation_id = $1 and (u.username > $3::citext or u.username is null) and $3::citext <> '${DELETED_USER}'
  order by u.username nulls last fetch first ${PAGE_SIZE} rows with ties`;

/** In a conversation of two, the other member has blocked the caller ($2). The name would reach them as a message does not. */
const IS_REFUSED = 'select is_refused($1, $2) as is_refused';

/** Locks the conversations that a user owns, in the order in which append_messages locks conversations. */
const LOCK_OWNED = `select c.id, c.revision, p.id as participant_id
  from participants p join conversation_members m on m.participant_id = p.id and m.role = 'owner'
  join conversations c on c.id = m.conversation_id
  where p.user_id = $1 order by c.id for no key update of c`;

type Actor = Pick<ChatSession, 'user_id' | 'participant_id'>;

/** Members of conversations and their roles. All changes throw `conversation_not_found`, also if the caller is not a member. */
@Injectable()
export class MembersService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly changes: ConversationChangesService,
    private readonly conversations: ConversationsService,
    private readonly remote: RemoteConversationsService,
    private readonly delivery: EventDeliveryService,
    private readonly participants: ParticipantsService,
    private readonly quotas: ChatQuotasService,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns 500 members in alphabetical order, deleted users last, beginning after a username. A page that ends among deleted
   * users has all of them. Throws `conversation_not_found`.
   */
  async list(callerId: number, conversationId: number, after: string): Promise<MemberDto[]> {
    await this.conversations.checkMembership(callerId, conversationId);
    type Row = Omit<MemberDto, 'read_message_id'> & { read_message_id: string | null };
    const rows = await this.dataSource.query<Row[]>(SELECT_MEMBERS, [conversationId, callerId, after]);
    return rows.map(({ read_message_id: id, ...member }) => ({
      ...member,
      read_message_id: id === null ? null : Number(id),
    }));
  }

  /**
   * Adds users, who see what is written from then on. Throws `chat_role_required`, `user_not_found` (also about users who have
   * blocked the caller), `user_blocked`, `conversation_full`, `rate_limited`.
   */
  async add(caller: Actor, conversationId: number, usernames: string[]): Promise<ChangedDto> {
    await this.quotas.consume(MEMBERS_QUOTA, caller.user_id);
    return this.change(
      caller,
      conversationId,
      async ({ manager, role, at, record }) => {
        requireRole(role, 'admin');
        const named = await this.participants.getWithNamed(caller, usernames, manager);
        const ids = named.map(({ id }) => id).toSorted((a, b) => a - b);
        await this.conversations.checkNotBlocked(manager, caller.participant_id, ids);
        const rows = await returningRows<{ participant_id: string }>(manager, INSERT_MEMBERS, [
          conversationId,
          ids,
          at,
        ]);
        if (rows.length === 0) return;
        const [row] = await manager.query<[{ members_count: number }]>(COUNT_MEMBERS, [conversationId]);
        if (row.members_count > MAX_MEMBERS) throw new Problem('conversation_full');
        await this.conversations.noteBlocks(manager, conversationId);
        const added = rows.map(({ participant_id }) => Number(participant_id));
        const revision = await record('members_added', { subjectIds: added, isCounted: true });
        // They are told of this event, too, which has the revision itself.
        afterCommit(manager, () => this.remote.announceMembers(conversationId, revision - 1, added));
      },
      lockBlocks,
    );
  }

  /** Removes a member. Owners remove anyone, admins members. Throws `chat_role_required`, `user_not_found`, `chat_member_not_found`. */
  async remove(caller: Actor, conversationId: number, username: string): Promise<ChangedDto> {
    const { id } = await this.participants.getNamed(username);
    return this.change(caller, conversationId, async ({ manager, role, at, record }) => {
      const subject = await this.getRole(manager, conversationId, id);
      requireRole(role, subject === 'member' ? 'admin' : 'owner');
      await manager.query(REMOVE_MEMBER, [conversationId, id]);
      await record('member_removed', { subjectIds: [id], isCounted: true });
      await this.passOnOwnership(manager, conversationId, caller.participant_id, at);
    });
  }

  /** Removes the caller; the messages stay. The last owner is followed by another member. */
  async leave(caller: Pick<Actor, 'participant_id'>, conversationId: number): Promise<void> {
    const { participant_id } = caller;
    await this.change(caller, conversationId, async ({ manager, at, record }) => {
      await manager.query(REMOVE_MEMBER, [conversationId, participant_id]);
      await record('member_left', { isCounted: true });
      await this.passOnOwnership(manager, conversationId, participant_id, at);
    });
  }

  /**
   * Gives a conversation another name. Throws `chat_role_required`; `conversation_not_found` also about a conversation of two
   * whose other member has blocked the caller.
   */
  rename(caller: Actor, conversationId: number, name: string): Promise<ChangedDto> {
    return this.change(caller, conversationId, async ({ manager, role, name: oldName, record }) => {
      requireRole(role, 'admin');
      const [row] = await manager.query<[{ is_refused: boolean }]>(IS_REFUSED, [conversationId, caller.participant_id]);
      if (row.is_refused) throw new Problem('conversation_not_found');
      if (name === oldName) return;
      await manager.query('update conversations set name = $2 where id = $1', [conversationId, name]);
      await record('renamed', { value: name });
    });
  }

  /** Gives a member another role. Throws `chat_role_required`, `user_not_found`, `chat_member_not_found`, `last_owner`. */
  async setRole(caller: Actor, conversationId: number, username: string, newRole: Role): Promise<ChangedDto> {
    const { id } = await this.participants.getNamed(username);
    return this.change(caller, conversationId, async ({ manager, role, record }) => {
      requireRole(role, 'owner');
      const oldRole = await this.getRole(manager, conversationId, id);
      if (oldRole === newRole) return;
      if (oldRole === 'owner') {
        const others = await manager.query<unknown[]>(HAS_OTHER_OWNER, [conversationId, id]);
        if (others.length === 0) throw new Problem('last_owner');
      }
      if (newRole === 'owner' && (await manager.query<unknown[]>(LOCK_SUCCESSOR, [id])).length === 0)
        throw new Problem('user_not_found'); // deleted meanwhile
      await manager.query(UPDATE_ROLE, [conversationId, id, newRole]);
      await record('role_changed', { subjectIds: [id], value: newRole });
    });
  }

  /** To be called in the transaction that deletes a user: another member follows the last owner. */
  async giveUpOwnership(manager: EntityManager, userId: string): Promise<void> {
    type Row = { id: string; revision: string; participant_id: string };
    const at = this.clock.date();
    await manager.query(LOCK_LEAVER, [userId]); // no other conversation becomes the user's from here on
    for (const { id, revision, participant_id } of await manager.query<Row[]>(LOCK_OWNED, [userId])) {
      await manager.query(UPDATE_ROLE, [id, participant_id, 'member']);
      await this.passOnOwnership(manager, Number(id), Number(participant_id), at);
      afterCommit(manager, () => void this.delivery.deliver(Number(id), Number(revision)));
    }
  }

  /** Makes another member than the actor the owner, unless there is one. Waits for members who are being deleted. */
  private async passOnOwnership(
    manager: EntityManager,
    conversationId: number,
    actorId: number,
    at: Date,
  ): Promise<void> {
    const owners = await manager.query<unknown[]>(HAS_OWNER, [conversationId]);
    if (owners.length > 0) return;
    await manager.query(LOCK_SUCCESSORS, [conversationId]);
    await manager.query(PASS_ON_OWNERSHIP, [conversationId, actorId, at]);
  }

  private change(
    { participant_id }: Pick<Actor, 'participant_id'>,
    conversationId: number,
    work: (change: ConversationChange) => Promise<void>,
    before?: (manager: EntityManager) => Promise<void>,
  ): Promise<ChangedDto> {
    return this.changes.change({ conversationId, actorId: participant_id, ...(before ? { before } : {}) }, work);
  }

  private async getRole(manager: EntityManager, conversationId: number, id: number): Promise<Role> {
    const [row] = await manager.query<{ role: Role }[]>(SELECT_ROLE, [conversationId, id]);
    if (!row) throw new Problem('chat_member_not_found');
    return row.role;
  }
}

/** No block between two participants is added before the transaction ends. */
async function lockBlocks(manager: EntityManager): Promise<void> {
  await manager.query(LOCK_SHARED, [ADVISORY_LOCKS.blocks]);
}

const RANKS: Record<Role, number> = { member: 0, admin: 1, owner: 2 };

function requireRole(role: Role, needed: Role): void {
  if (RANKS[role] < RANKS[needed]) throw new Problem('chat_role_required');
}
