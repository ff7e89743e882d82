import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type MessageRow, toFullMessage } from '../messages/message-columns.js';
import type { Role } from '../protocol/roles.js';
import type { ConversationSummaryDto } from './sync.dto.js';

/** Nothing is counted: the counts of members and of messages are columns. */
const SELECT_PAGE = `select c.id, c.name, c.revision, c.members_count, m.role, m.read_message_id,
    greatest(c.last_sequence - m.read_sequence, 0) as unread_count, ${MESSAGE_COLUMNS}
  from conversation_members m join conversations c on c.id = m.conversation_id
  left join lateral (
    select * from messages where conversation_id = c.id and id > m.joined_after_id order by id desc limit 1
  ) x on true
  ${MESSAGE_JOINS}
  where m.participant_id = $1 and m.conversation_id < $2 order by m.conversation_id desc limit $3`;

interface Row extends Omit<MessageRow, 'message_id'> {
  id: string;
  name: string;
  revision: string;
  members_count: number;
  role: Role;
  read_message_id: string;
  unread_count: string;
  message_id: string | null;
}

/** Lists conversations with what a client shows of them. */
@Injectable()
export class SyncService {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Returns at most `limit` conversations of a participant with ids below `before`, newest first. */
  async list(participantId: number, before: number, limit: number): Promise<ConversationSummaryDto[]> {
    const values = [participantId, before, limit];
    const { rows } = await this.pool.query<Row>({ name: 'chat-sync', text: SELECT_PAGE, values });
    return rows.map(({ message_id, ...row }) => ({
      id: Number(row.id),
      name: row.name,
      revision: Number(row.revision),
      members_count: row.members_count,
      role: row.role,
      unread_count: Number(row.unread_count),
      read_message_id: row.read_message_id === '0' ? null : Number(row.read_message_id),
      last_message: message_id === null ? null : toFullMessage({ ...row, message_id }),
    }));
  }
}
