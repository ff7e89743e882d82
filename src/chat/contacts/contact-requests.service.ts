import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { toUnixSeconds } from './chat-users.service.js';
import type { ContactRequestDto } from './contacts.dto.js';

const PAGE_SIZE = 100;

const INSERT = `with added as (
    insert into contact_requests (first_id, second_id, sender_id, created_at)
    values (least($1::bigint, $2::bigint), greatest($1::bigint, $2::bigint), $1, $3)
    on conflict (first_id, second_id) do nothing returning id, created_at
  )
  select a.id, u.username, u.fullname, true as is_incoming, a.created_at
  from added a, participants p join users u on u.id = p.user_id where p.id = $1`;

/** $2: only ids below this one. */
const SELECT_PAGE = `select r.id, u.username, u.fullname, r.sender_id <> $1 as is_incoming, r.created_at
  from contact_requests r
  join participants p on p.id = case r.first_id when $1 then r.second_id else r.first_id end
  join users u on u.id = p.user_id
  where $1 in (r.first_id, r.second_id) and r.id < $2 order by r.id desc limit ${PAGE_SIZE}`;

const DELETE = `delete from contact_requests
  where first_id = least($1::bigint, $2::bigint) and second_id = greatest($1::bigint, $2::bigint)`;

interface Row {
  id: string;
  username: string;
  fullname: string;
  is_incoming: boolean;
  created_at: Date;
}

/** Contact requests that wait for an answer. All ids are participant ids. */
@Injectable()
export class ContactRequestsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Returns the requests that the caller has sent or received, newest first, at most 100 with ids below `before`. */
  async list(callerId: number, before: number = Number.MAX_SAFE_INTEGER): Promise<ContactRequestDto[]> {
    return (await this.dataSource.query<Row[]>(SELECT_PAGE, [callerId, before])).map(toDto);
  }

  /** Creates a request. Returns it as its recipient sees it; null if there is one between the two. */
  async create(manager: EntityManager, senderId: number, recipientId: number): Promise<ContactRequestDto | null> {
    const [row] = await manager.query<Row[]>(INSERT, [senderId, recipientId, this.clock.date()]);
    return row ? toDto(row) : null;
  }

  /** Removes the request of this sender to this recipient. Returns whether there was one. */
  async removeFrom(manager: EntityManager, senderId: number, recipientId: number): Promise<boolean> {
    const sql = `${DELETE} and sender_id = $1 returning 1`;
    return (await returningRows(manager, sql, [senderId, recipientId])).length > 0;
  }

  /** Removes the request between two users, in either direction. Returns whether there was one. */
  async remove(manager: EntityManager, callerId: number, otherId: number): Promise<boolean> {
    return (await returningRows(manager, `${DELETE} returning 1`, [callerId, otherId])).length > 0;
  }
}

function toDto({ id, username, fullname, is_incoming, created_at }: Row): ContactRequestDto {
  return { id: Number(id), username, fullname, is_incoming, requested_at: toUnixSeconds(created_at) };
}
