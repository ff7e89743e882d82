import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { trimBlanks } from '../../common/text.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import { PresenceService } from '../presence/presence.service.js';
import type { ChatUserDto } from './contacts.dto.js';

/** The fields of a user that the chat shows. */
export interface ChatUser {
  /** Participant id. */
  id: number;
  username: string;
  fullname: string;
  created_at: Date;
  last_online_at: Date | null;
  is_online_elsewhere: boolean;
}

type Row = Omit<ChatUser, 'id'> & { id: string };

/** $1: the id of this node. */
const SELECT_USER = `select p.id, u.username, u.fullname, u.created_at, p.last_online_at,
    exists (
      select from presences s where s.participant_id = p.id and s.node_id is distinct from $1
    ) as is_online_elsewhere
  from participants p join users u on u.id = p.user_id`;

/** Does not find users who have blocked the caller ($3). */
const IS_NAMED = `u.username = $2 and u.is_active
  and not exists (select from blocks b where b.participant_id = p.id and b.blocked_id = $3)`;

/** Finds users for the chat. */
@Injectable()
export class ChatUsersService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly presence: PresenceService,
    private readonly clock: Clock,
  ) {}

  /** Returns the user of a participant. Throws `user_not_found`. */
  get(participantId: number): Promise<ChatUser> {
    return this.query(this.dataSource.manager, 'p.id = $2', participantId);
  }

  /** Returns an active user. Throws `user_not_found`, also if the user has blocked the caller. */
  getNamed(manager: EntityManager, username: string, callerId: number): Promise<ChatUser> {
    return this.query(manager, IS_NAMED, trimBlanks(username), callerId);
  }

  toDto({ id, username, fullname, created_at, last_online_at, is_online_elsewhere }: ChatUser): ChatUserDto {
    const is_online = is_online_elsewhere || this.presence.isOnlineHere(id);
    const lastOnline = is_online ? this.clock.date() : (last_online_at ?? created_at);
    return {
      username,
      fullname,
      is_online,
      last_online: toUnixSeconds(lastOnline),
      created_at: toUnixSeconds(created_at),
    };
  }

  private async query(manager: EntityManager, where: string, ...values: (number | string)[]): Promise<ChatUser> {
    const sql = `${SELECT_USER} where ${where}`;
    const [row] = await manager.query<Row[]>(sql, [this.presence.nodeId, ...values]);
    if (!row) throw new Problem('user_not_found');
    return { ...row, id: Number(row.id) };
  }
}

export const toUnixSeconds = (time: Date): number => Math.floor(time.getTime() / 1000);
