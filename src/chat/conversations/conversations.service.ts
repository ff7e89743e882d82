import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { DataSource, type EntityManager, LessThan, type Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS, LOCK_SHARED } from '../../database/advisory-locks.js';
import { Problem } from '../../http/problems/problem.js';
import type { ChatSession } from '../connections/connection.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { DELETED_USER } from '../protocol/placeholders.js';
import { Conversation } from './conversation.entity.js';
import { ConversationMember } from './conversation-member.entity.js';
import type { ConversationDto, ConversationInfoDto } from './conversations.dto.js';

const MAX_NAME = 100;
const MAX_LISTED = 1000;

/** $1: participant ids of the members, $2: of the caller. */
const SELECT_BLOCKS = `select
    exists (select from blocks where participant_id = $2 and blocked_id = any ($1::bigint[])) as is_own,
    exists (select from blocks where participant_id = any ($1::bigint[]) and blocked_id = any ($1::bigint[])) as is_any`;

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
      const has_blocks = await this.hasBlocks(manager, memberIds, caller);
      const values = { name: name ?? defaultName(names), has_blocks, created_at: this.clock.date() };
      const { identifiers } = await manager.insert(Conversation, values);
      const conversation_id = identifiers[0]!['id'] as string;
      const rows = memberIds.map((id) => ({ conversation_id, participant_id: `${id}`, created_at: values.created_at }));
      await manager.insert(ConversationMember, rows);
      return { conversation: { id: Number(conversation_id), name: values.name, members: names }, memberIds };
    });
  }

  /** Returns at most `limit` of the caller's conversations with ids below `before`, newest first. */
  async list(participantId: number, before?: number | null, limit = MAX_LISTED): Promise<ConversationDto[]> {
    const memberships = await this.members.find({
      select: { conversation_id: true, participant_id: true, conversation: { id: true, name: true } },
      relations: { conversation: true },
      where: {
        participant_id: String(participantId),
        ...(before == null ? {} : { conversation_id: LessThan(String(before)) }),
      },
      order: { conversation_id: 'DESC' },
      take: limit,
    });
    return memberships.map(({ conversation }) => ({ id: Number(conversation.id), name: conversation.name }));
  }

  /** Throws `conversation_not_found`, also if the caller is not a member. */
  async get({ participant_id }: ChatSession, id: number): Promise<ConversationInfoDto> {
    const membership = await this.members.findOne({
      select: { conversation_id: true, participant_id: true, conversation: { id: true, name: true } },
      relations: { conversation: true },
      where: { conversation_id: String(id), participant_id: String(participant_id) },
    });
    if (!membership) throw new Problem('conversation_not_found');
    return { id, name: membership.conversation.name, members: await this.listMembers(id) };
  }

  /**
   * Removes the caller from a conversation; its messages stay. A trigger locks the conversation, so that the caller can
   * neither send nor receive a message that is appended later. Throws `conversation_not_found`, also if the caller is not a
   * member.
   */
  async leave(participantId: number, id: number): Promise<void> {
    const { affected } = await this.members.delete({
      conversation_id: String(id),
      participant_id: String(participantId),
    });
    if (!affected) throw new Problem('conversation_not_found');
  }

  /** To be called when a block between two participants is added or removed, in the same transaction. */
  async recordBlocks(manager: EntityManager, participantId: number, otherId: number): Promise<void> {
    const rows = await manager.query<{ id: string }[]>(LOCK_SHARED_CONVERSATIONS, [participantId, otherId]);
    if (rows.length > 0) await manager.query(RECORD_BLOCKS, [rows.map(({ id }) => id)]);
  }

  /** Whether any member has blocked another one. Throws `user_blocked` if the caller has. */
  private async hasBlocks(manager: EntityManager, ids: number[], { participant_id }: ChatSession): Promise<boolean> {
    type Row = { is_own: boolean; is_any: boolean };
    const [row] = await manager.query<[Row]>(SELECT_BLOCKS, [ids, participant_id]);
    if (row.is_own) throw new Problem('user_blocked');
    return row.is_any;
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
