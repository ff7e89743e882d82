import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { DataSource, type EntityManager, type Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS, LOCK_SHARED } from '../../database/advisory-locks.js';
import { findUnique } from '../../database/statements/find-unique.js';
import { POOL } from '../../database/connections/pool.js';
import { Problem } from '../../http/problems/problem.js';
import type { ChatSession } from '../connections/connection.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { DELETED_USER } from '../protocol/placeholders.js';
import { Conversation } from './conversation.entity.js';
import { ConversationMember } from './conversation-member.entity.js';
import type { Role } from '../protocol/roles.js';
import type { ConversationDto, ConversationInfoDto } from './conversations.dto.js';

const MAX_NAME = 100;
const MAX_LISTED = 1000;

/** $1: participant id, $2: the id below which conversations are listed, or null, $3: their number. */
const LIST = {
  name: 'conversations-of-participant',
  text: `select c.id, c.name from conversation_members m join conversations c on c.id = m.conversation_id
    where m.participant_id = $1 and m.conversation_id < coalesce($2::bigint, ${Number.MAX_SAFE_INTEGER})
    order by m.conversation_id desc limit $3`,
};

/** $1: participant id of the caller, $2: of other users. */
const SELECT_OWN_BLOCK = 'select 1 from blocks where participant_id = $1 and blocked_id = any ($2::bigint[]) limit 1';

const NOTE_BLOCKS = `update conversations c set has_blocks = true where c.id = $1 and not c.has_blocks and exists (
    select from conversation_members m
    cross join lateral (select blocked_id from blocks where participant_id = m.participant_id offset 0) b
    join conversation_members o on o.conversation_id = m.conversation_id and o.participant_id = b.blocked_id
    where m.conversation_id = c.id)`;

/** Locks the conversations that two participants share, in the order in which `append_messages` locks conversations. */
const LOCK_SHARED_CONVERSATIONS = `select c.id from conversations c
  where c.id in (
    select a.conversation_id from conversation_members a
    join conversation_members b on b.conversation_id = a.conversation_id and b.participant_id = $2
    where a.participant_id = $1)
  order by c.id for no key update of c`;

/** Increases the version of the members, which makes every node read the blocks among them again. */
const RECORD_BLOCKS = `update conversations
  set has_blocks = true, revision = revision + 1, members_version = revision + 1 where id = any ($1::bigint[])`;

interface CreatedConversation {
  conversation: ConversationInfoDto;
  /** Participant ids. */
  memberIds: number[];
}

/** The conversations of a user. */
@Injectable()
export class ConversationsService {
  constructor(
    @InjectRepository(ConversationMember) private readonly members: Repository<ConversationMember>,
    @Inject(POOL) private readonly pool: Pool,
    private readonly dataSource: DataSource,
    private readonly participants: ParticipantsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Creates a conversation of the caller and these users. Throws `user_not_found`, also about users who have blocked the
   * caller, and `user_blocked`.
   */
  create(caller: ChatSession, usernames: string[], name: string | undefined): Promise<CreatedConversation> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK_SHARED, [ADVISORY_LOCKS.blocks]);
      const participants = await this.participants.getWithNamed(caller, usernames, manager);
      const names = participants.map(({ username }) => username);
      const memberIds = participants.map(({ id }) => id).toSorted((a, b) => a - b);
      await this.checkNotBlocked(manager, caller.participant_id, memberIds);
      const values = { name: name ?? defaultName(names), created_at: this.clock.date() };
      const { identifiers } = await manager.insert(Conversation, values);
      const conversation_id = identifiers[0]!['id'] as string;
      const { created_at } = values;
      const roleOf = (id: number): Role => (id === caller.participant_id ? 'owner' : 'member');
      const rows = memberIds.map((id) => ({ conversation_id, participant_id: `${id}`, role: roleOf(id), created_at }));
      await manager.insert(ConversationMember, rows);
      await this.noteBlocks(manager, Number(conversation_id));
      return { conversation: { id: Number(conversation_id), name: values.name, members: names }, memberIds };
    });
  }

  /** Returns at most `limit` of the caller's conversations with ids below `before`, newest first. */
  async list(participantId: number, before?: number | null, limit = MAX_LISTED): Promise<ConversationDto[]> {
    const { rows } = await this.pool.query<{ id: string; name: string }>({
      ...LIST,
      values: [participantId, before ?? null, limit],
    });
    return rows.map(({ id, name }) => ({ id: Number(id), name }));
  }

  /** Throws `conversation_not_found`, also if the caller is not a member. */
  async get({ participant_id }: Pick<ChatSession, 'participant_id'>, id: number): Promise<ConversationInfoDto> {
    const membership = await findUnique(this.members, {
      select: { conversation_id: true, participant_id: true, conversation: { id: true, name: true } },
      relations: { conversation: true },
      where: { conversation_id: String(id), participant_id: String(participant_id) },
    });
    if (!membership) throw new Problem('conversation_not_found');
    return { id, name: membership.conversation.name, members: await this.listMembers(id) };
  }

  /** Throws `conversation_not_found` if the user is not a member. */
  async checkMembership(participantId: number, id: number): Promise<void> {
    const isMember = await this.members.existsBy({
      conversation_id: String(id),
      participant_id: String(participantId),
    });
    if (!isMember) throw new Problem('conversation_not_found');
  }

  /** Throws `user_blocked` if the caller has blocked one of these users. */
  async checkNotBlocked(manager: EntityManager, participantId: number, ids: number[]): Promise<void> {
    const blocks = await manager.query<unknown[]>(SELECT_OWN_BLOCK, [participantId, ids]);
    if (blocks.length > 0) throw new Problem('user_blocked');
  }

  /** Notes whether any member has blocked another one. To be called when members were added, in the same transaction. */
  async noteBlocks(manager: EntityManager, id: number): Promise<void> {
    await manager.query(NOTE_BLOCKS, [id]);
  }

  /** To be called when a block between two participants is added or removed, in the same transaction. */
  async recordBlocks(manager: EntityManager, participantId: number, otherId: number): Promise<void> {
    const rows = await manager.query<{ id: string }[]>(LOCK_SHARED_CONVERSATIONS, [participantId, otherId]);
    if (rows.length > 0) await manager.query(RECORD_BLOCKS, [rows.map(({ id }) => id)]);
  }

  private async listMembers(id: number): Promise<string[]> {
    const rows = await this.members
      .createQueryBuilder('membership')
      .innerJoin('membership.participant', 'participant')
      .leftJoin('participant.user', 'member')
      .select('member.username', 'username')
      .where('membership.conversation_id = :id', { id })
      .orderBy('member.username')
      .addOrderBy('participant.id')
      .getRawMany<{ username: string | null }>();
    return rows.map(({ username }) => username ?? DELETED_USER);
  }
}

/** The usernames, truncated to the length of a name. */
function defaultName(usernames: string[]): string {
  const name = usernames.join(', ');
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 1)}…`;
}
