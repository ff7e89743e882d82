import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { EntityManager, Repository } from 'typeorm';
import { trimBlanks } from '../../common/text.js';
import { findUnique } from '../../database/statements/find-unique.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import type { ChatSession } from './connection.js';
import { Participant } from './participant.entity.js';

export interface NamedParticipant {
  id: number;
  username: string;
}

const IS_NAMED = 'member.is_active and member.username = any (cast(:usernames as citext[]))';
const HAS_BLOCKED_CALLER =
  'exists (select from blocks b where b.participant_id = participant.id and b.blocked_id = :participant_id)';

/** The participants of users. */
@Injectable()
export class ParticipantsService {
  constructor(@InjectRepository(Participant) private readonly participants: Repository<Participant>) {}

  /** Returns the participant id of a user. Throws `invalid_token` if the user has been deleted. */
  async getId(userId: string): Promise<number> {
    const participant = await this.participants.findOne({ select: { id: true }, where: { user_id: userId } });
    if (!participant) throw tokenProblem('invalid_token');
    return Number(participant.id);
  }

  /** Returns the participant with this username, active or not. Throws `user_not_found`. */
  async getNamed(username: string): Promise<NamedParticipant> {
    const participant = await findUnique(this.participants, {
      select: { id: true, user: { id: true, username: true } },
      relations: { user: true },
      where: { user: { username: trimBlanks(username) } },
    });
    if (!participant?.user) throw new Problem('user_not_found');
    return { id: Number(participant.id), username: participant.user.username };
  }

  /**
   * Returns the caller and the active users with these names, ordered by username. Throws `user_not_found`, also about users
   * who have blocked the caller.
   */
  async getWithNamed(
    { user_id: userId, participant_id }: Pick<ChatSession, 'user_id' | 'participant_id'>,
    names: string[],
    manager: EntityManager,
  ): Promise<NamedParticipant[]> {
    const usernames = names.map(trimBlanks);
    const rows = await manager
      .createQueryBuilder(Participant, 'participant')
      .innerJoin('participant.user', 'member')
      .select(['participant.id as id', 'member.username as username'])
      .where('member.id = :userId', { userId })
      .orWhere(`(${IS_NAMED} and not ${HAS_BLOCKED_CALLER})`, { usernames, participant_id })
      .orderBy('member.username')
      .getRawMany<{ id: string; username: string }>();
    const found = new Set(rows.map(({ username }) => username.toLowerCase()));
    const missing = usernames.find((username) => !found.has(username.toLowerCase()));
    if (missing !== undefined) throw new Problem('user_not_found', { detail: `There is no user "${missing}".` });
    return rows.map(({ id, username }) => ({ id: Number(id), username }));
  }
}
