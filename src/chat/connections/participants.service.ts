import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { Problem, tokenProblem } from '../../http/problem.js';
import { Participant } from './participant.entity.js';

export interface NamedParticipant {
  id: number;
  username: string;
}

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

  /** Returns the user and the active users with these names, ordered by username. Throws `user_not_found`. */
  async getWithNamed(userId: string, usernames: string[]): Promise<NamedParticipant[]> {
    const rows = await this.participants
      .createQueryBuilder('participant')
      .innerJoin('participant.user', 'member')
      .select(['participant.id as id', 'member.username as username'])
      .where('member.id = :userId', { userId })
      .orWhere('(member.is_active and member.username = any (cast(:usernames as citext[])))', { usernames })
      .orderBy('member.username')
      .getRawMany<{ id: string; username: string }>();
    const found = new Set(rows.map(({ username }) => username.toLowerCase()));
    const missing = usernames.find((username) => !found.has(username.toLowerCase()));
    if (missing !== undefined) throw new Problem('user_not_found', { detail: `There is no user "${missing}".` });
    return rows.map(({ id, username }) => ({ id: Number(id), username }));
  }
}
