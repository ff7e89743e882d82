import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/pool.js';
import { Problem } from '../../http/problems/problem.js';
import type { ChatSession } from '../connections/connection.js';
import { BLOCKED_CONTENT, DELETED_USER } from '../protocol/placeholders.js';
import type { MessagesDto } from './messages.dto.js';

const PAGE_SIZE = 100;

/**
 * One statement checks the membership and reads the page. No row: there is no such conversation, or the caller is not a
 * member. One row without an id: there are no messages.
 */
const LIST = `select x.id, x.reply_id, case when b.blocked_id is null then x.content else '${BLOCKED_CONTENT}' end as content,
    floor(extract(epoch from x.sent_at)) as sent_at,
    coalesce(u.username, '${DELETED_USER}') as sender_username
  from conversation_members m
  left join lateral (
    select * from messages where conversation_id = m.conversation_id and id < $3 order by id desc limit ${PAGE_SIZE}
  ) x on true
  left join blocks b on b.participant_id = m.participant_id and b.blocked_id = x.sender_id
  left join participants p on p.id = x.sender_id left join users u on u.id = p.user_id
  where m.conversation_id = $1 and m.participant_id = $2 order by x.id desc`;

interface Row {
  id: string | null;
  reply_id: string | null;
  content: string;
  sent_at: string;
  sender_username: string;
}

/** Reads stored messages. */
@Injectable()
export class MessagesService {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /**
   * Returns the newest messages, at most 100, with ids below `before`.
   * Throws `conversation_not_found`, also if the caller is not a member.
   */
  async list(caller: ChatSession, conversation_id: number, before = Number.MAX_SAFE_INTEGER): Promise<MessagesDto> {
    const values = [conversation_id, caller.participant_id, before];
    const { rows } = await this.pool.query<Row>({ name: 'chat-messages', text: LIST, values });
    if (rows.length === 0) throw new Problem('conversation_not_found');
    const messages = rows
      .filter(({ id }) => id !== null)
      .map(({ id, sender_username, reply_id, content, sent_at }) => ({
        id: Number(id),
        sender_username,
        reply_id: reply_id === null ? null : Number(reply_id),
        content,
        sent_at: Number(sent_at),
      }));
    return { conversation_id, messages };
  }
}
