import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import { POOL } from '../../database/database.module.js';
import type { ChatSession } from '../connections/connection.js';
import type { ConversationDto, ConversationInfoDto } from './conversations.dto.js';

/** Who is meant by a name that belongs to nobody any more; no username has brackets. */
export const TOMBSTONE = '[deleted]';

const MAX_NAME = 100;

interface Member {
  id: number;
  username: string;
}

const MEMBERS = `select p.id::int8, coalesce(u.username, '${TOMBSTONE}') as username from conversation_members m
  join participants p on p.id = m.participant_id left join users u on u.id = p.user_id
  where m.conversation_id = $1 order by u.username, p.id`;

/** Conversations, as their members see them. */
@Injectable()
export class ConversationsService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Begins a conversation of the caller with these; answers whom to tell, too. Raises `user_not_found`. */
  create(caller: ChatSession, usernames: string[], name: string | undefined): Promise<[ConversationInfoDto, number[]]> {
    return this.dataSource.transaction(async (manager) => {
      const members = await this.findMembers(manager, caller, usernames);
      const names = members.map(({ username }) => username);
      const now = this.clock.date();
      const [row] = await manager.query<{ id: string; name: string }[]>(
        'insert into conversations (name, created_at) values ($1, $2) returning id, name',
        [name ?? nameOf(names), now],
      );
      const ids = members.map((member) => member.id);
      const add = `insert into conversation_members (conversation_id, participant_id, created_at)
        select $1, id, $3 from unnest($2::bigint[]) as id order by id`;
      await manager.query(add, [row!.id, ids, now]);
      return [{ id: Number(row!.id), name: row!.name, members: names }, ids];
    });
  }

  /** The caller's conversations, oldest first. */
  async list(caller: ChatSession): Promise<ConversationDto[]> {
    const { rows } = await this.pool.query<{ id: string; name: string }>({
      name: 'chat-conversations',
      text: `select c.id, c.name from conversation_members m join conversations c on c.id = m.conversation_id
        where m.participant_id = $1 order by c.id`,
      values: [caller.participant_id],
    });
    return rows.map(({ id, name }) => ({ id: Number(id), name }));
  }

  /** Raises `conversation_not_found`, also when the caller is no member. */
  async get(caller: ChatSession, id: number): Promise<ConversationInfoDto> {
    const { rows } = await this.pool.query<{ name: string }>({
      name: 'chat-conversation',
      text: `select c.name from conversations c join conversation_members m on m.conversation_id = c.id
        where c.id = $1 and m.participant_id = $2`,
      values: [id, caller.participant_id],
    });
    if (!rows[0]) throw new Problem('conversation_not_found');
    const members = await this.pool.query<Member>({ name: 'chat-members', text: MEMBERS, values: [id] });
    return { id, name: rows[0].name, members: members.rows.map(({ username }) => username) };
  }

  private async findMembers(manager: EntityManager, caller: ChatSession, usernames: string[]): Promise<Member[]> {
    const rows = await manager.query<{ id: string; username: string }[]>(
      `select p.id, u.username from users u join participants p on p.user_id = u.id
        where u.id = $1 or (u.is_active and u.username = any ($2::citext[])) order by u.username`,
      [caller.user_id, usernames],
    );
    const known = new Set(rows.map(({ username }) => username.toLowerCase()));
    const unknown = usernames.find((username) => !known.has(username.toLowerCase()));
    if (unknown !== undefined) throw new Problem('user_not_found', { detail: `There is no user "${unknown}".` });
    return rows.map(({ id, username }) => ({ id: Number(id), username }));
  }
}

/** A name for a conversation that was given none. */
function nameOf(usernames: string[]): string {
  const name = usernames.join(', ');
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 1)}…`;
}
