import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { DataSource, type Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import type { ChatSession } from '../connections/connection.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { DELETED_USER } from '../protocol/deleted-user.js';
import { Conversation } from './conversation.entity.js';
import { ConversationMember } from './conversation-member.entity.js';
import type { ConversationDto, ConversationInfoDto } from './conversations.dto.js';

const MAX_NAME = 100;

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

  /** Creates a conversation of the caller and these users. Throws `user_not_found`. */
  async create(caller: ChatSession, usernames: string[], name: string | undefined): Promise<CreatedConversation> {
    const participants = await this.participants.getWithNamed(caller.user_id, usernames);
    const names = participants.map(({ username }) => username);
    const memberIds = participants.map(({ id }) => id).toSorted((a, b) => a - b);
    const created_at = this.clock.date();
    const values = { name: name ?? defaultName(names), created_at };
    const id = await this.dataSource.transaction(async (manager) => {
      const { identifiers } = await manager.insert(Conversation, values);
      const conversation_id = identifiers[0]!['id'] as string;
      const rows = memberIds.map((participant) => ({ conversation_id, participant_id: `${participant}`, created_at }));
      await manager.insert(ConversationMember, rows);
      return Number(conversation_id);
    });
    return { conversation: { id, name: values.name, members: names }, memberIds };
  }

  /** Returns the caller's conversations, oldest first. */
  async list({ participant_id }: ChatSession): Promise<ConversationDto[]> {
    const memberships = await this.members.find({
      select: { conversation_id: true, participant_id: true, conversation: { id: true, name: true } },
      relations: { conversation: true },
      where: { participant_id: String(participant_id) },
      order: { conversation_id: 'ASC' },
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

/** The usernames, cut to the length of a name. */
function defaultName(usernames: string[]): string {
  const name = usernames.join(', ');
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 1)}…`;
}
