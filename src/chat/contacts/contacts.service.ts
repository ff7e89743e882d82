import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/pool.js';
import { Problem } from '../../http/problem.js';
import type { ChatSession } from '../connections/connection.js';
import { PresenceService } from '../presence/presence.service.js';
import type { ChatUserDto } from './contacts.dto.js';

interface UserRow {
  id: string;
  username: string;
  fullname: string;
  created_at: Date;
  last_online_at: Date | null;
  is_online_elsewhere: boolean;
}

/** $2: the id of this node. */
const SELECT_USER = `select p.id, u.username, u.fullname, u.created_at, p.last_online_at,
    exists (
      select from presences s where s.participant_id = p.id and s.node_id is distinct from $2
    ) as is_online_elsewhere
  from participants p join users u on u.id = p.user_id`;

const SELECT_CONTACTS = `select u.username from contacts c
  join participants p on p.id = c.contact_id join users u on u.id = p.user_id
  where c.participant_id = $1 order by u.username`;

/** Both directions in one statement, in the order of ids, so that concurrent ones neither deadlock nor both succeed. */
const INSERT_CONTACT = `insert into contacts (participant_id, contact_id, created_at)
  select * from (values ($1::bigint, $2::bigint, $3::timestamptz), ($2, $1, $3)) as v (a, b, at) order by a
  on conflict do nothing returning 1`;

/** Users as the chat shows them, and their contacts. */
@Injectable()
export class ContactsService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly presence: PresenceService,
    private readonly clock: Clock,
  ) {}

  /** Returns the caller. */
  async getSelf({ participant_id }: ChatSession): Promise<ChatUserDto> {
    return this.toDto(await this.getUser('chat-user-by-id', `${SELECT_USER} where p.id = $1`, participant_id));
  }

  /** Returns the usernames of the caller's contacts, in alphabetical order. */
  async list({ participant_id }: ChatSession): Promise<string[]> {
    const query = { name: 'chat-contacts', text: SELECT_CONTACTS, values: [participant_id] };
    const { rows } = await this.pool.query<{ username: string }>(query);
    return rows.map(({ username }) => username);
  }

  /** Makes the caller and a user contacts. Throws `user_not_found`, `contact_is_self`, `already_a_contact`. */
  async add({ participant_id }: ChatSession, username: string): Promise<ChatUserDto> {
    const where = 'where u.username = $1 and u.is_active';
    const contact = await this.getUser('chat-user-by-name', `${SELECT_USER} ${where}`, username);
    if (Number(contact.id) === participant_id) throw new Problem('contact_is_self');
    const values = [participant_id, contact.id, this.clock.date()];
    const { rows } = await this.pool.query({ name: 'chat-add-contact', text: INSERT_CONTACT, values });
    if (rows.length === 0) throw new Problem('already_a_contact');
    return this.toDto(contact);
  }

  private async getUser(name: string, text: string, key: number | string): Promise<UserRow> {
    const { rows } = await this.pool.query<UserRow>({ name, text, values: [key, this.presence.nodeId] });
    if (!rows[0]) throw new Problem('user_not_found');
    return rows[0];
  }

  private toDto({ id, username, fullname, created_at, last_online_at, is_online_elsewhere }: UserRow): ChatUserDto {
    const is_online = is_online_elsewhere || this.presence.isOnlineHere(Number(id));
    const lastOnline = is_online ? this.clock.date() : (last_online_at ?? created_at);
    return {
      username,
      fullname,
      is_online,
      last_online: toUnixSeconds(lastOnline),
      created_at: toUnixSeconds(created_at),
    };
  }
}

const toUnixSeconds = (time: Date): number => Math.floor(time.getTime() / 1000);
