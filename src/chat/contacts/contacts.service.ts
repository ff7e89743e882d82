import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import { POOL } from '../../database/database.module.js';
import type { ChatSession } from '../connections/connection.js';
import type { PersonDto } from './contacts.dto.js';
import { PresenceService } from '../presence/presence.service.js';

interface PersonRow {
  id: string;
  username: string;
  fullname: string;
  created_at: Date;
  last_online_at: Date | null;
  is_elsewhere: boolean;
}

const PERSON = `select p.id, u.username, u.fullname, u.created_at, p.last_online_at,
    exists (select from presences s where s.participant_id = p.id and s.node_id is distinct from $2) as is_elsewhere
  from participants p join users u on u.id = p.user_id`;

/** People as the chat shows them, and who has whom as a contact. */
@Injectable()
export class ContactsService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly dataSource: DataSource,
    private readonly presences: PresenceService,
    private readonly clock: Clock,
  ) {}

  /** The caller. */
  async self(caller: ChatSession): Promise<PersonDto> {
    return this.toDto(await this.find('chat-person', `${PERSON} where p.id = $1`, caller.participant_id));
  }

  /** The usernames of the caller's contacts, in their order. */
  async list(caller: ChatSession): Promise<string[]> {
    const { rows } = await this.pool.query<{ username: string }>({
      name: 'chat-contacts',
      text: `select u.username from contacts c join participants p on p.id = c.contact_id join users u on u.id = p.user_id
        where c.participant_id = $1 order by u.username`,
      values: [caller.participant_id],
    });
    return rows.map(({ username }) => username);
  }

  /** Makes two people each other's contacts. Raises `user_not_found`, `contact_is_self`, `already_a_contact`. */
  async add(caller: ChatSession, username: string): Promise<PersonDto> {
    const contact = await this.find('chat-contact', `${PERSON} where u.username = $1 and u.is_active`, username);
    if (Number(contact.id) === caller.participant_id) throw new Problem('contact_is_self');
    const added = await this.dataSource.query<unknown[]>(
      `insert into contacts (participant_id, contact_id, created_at)
        select * from (values ($1::bigint, $2::bigint, $3::timestamptz), ($2, $1, $3)) as v (a, b, at) order by a
        on conflict do nothing returning 1`,
      [caller.participant_id, contact.id, this.clock.date()],
    );
    if (added.length === 0) throw new Problem('already_a_contact');
    return this.toDto(contact);
  }

  private async find(name: string, text: string, key: number | string): Promise<PersonRow> {
    const { rows } = await this.pool.query<PersonRow>({ name, text, values: [key, this.presences.nodeId] });
    if (!rows[0]) throw new Problem('user_not_found');
    return rows[0];
  }

  private toDto({ id, username, fullname, created_at, last_online_at, is_elsewhere }: PersonRow): PersonDto {
    const is_online = is_elsewhere || this.presences.isHere(Number(id));
    const last = is_online ? this.clock.date() : (last_online_at ?? created_at);
    return { username, fullname, is_online, last_online: toSeconds(last), created_at: toSeconds(created_at) };
  }
}

/** As times are in the chat: whole unix seconds. */
const toSeconds = (time: Date): number => Math.floor(time.getTime() / 1000);
