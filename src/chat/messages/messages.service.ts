import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import { Problem } from '../../http/problems/problem.js';
import type { FullMessageDto, MessageDto } from '../protocol/message.dto.js';
import { ATTACHMENTS_ONLY } from '../protocol/placeholders.js';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type MessageRow, toFullMessage } from './message-columns.js';
import type { MessagesDto } from './messages.dto.js';

const PAGE_SIZE = 100;

/**
 * One statement checks the membership and reads the page. No row: there is no such conversation, or the caller is not a
 * member. One row without an id: there are no messages.
 */
const LIST = `select ${MESSAGE_COLUMNS}
  from conversation_members m
  left join lateral (
    select * from messages where conversation_id = m.conversation_id and id < $3 and id > m.joined_after_id
    order by id desc limit $4
  ) x on true
  ${MESSAGE_JOINS}
  where m.conversation_id = $1 and m.participant_id = $2 order by x.id desc`;

/** Reads stored messages. */
@Injectable()
export class MessagesService {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /**
   * Returns the newest messages, at most 100, with ids below `before`; those that were there before the caller was added are
   * left out. Old clients get fewer fields. Throws `conversation_not_found`, also if the caller is not a member.
   */
  async list(
    { participant_id }: { participant_id: number },
    conversation_id: number,
    before: number | undefined,
    isV2: boolean,
  ): Promise<MessagesDto> {
    const messages = await this.listFull(participant_id, conversation_id, before, PAGE_SIZE);
    return { conversation_id, messages: isV2 ? messages : messages.map(toOldMessage) };
  }

  /** Returns at most `limit` messages, newest first. Throws `conversation_not_found`. */
  async listFull(
    participantId: number,
    conversationId: number,
    before: number = Number.MAX_SAFE_INTEGER,
    limit: number = PAGE_SIZE,
  ): Promise<FullMessageDto[]> {
    const values = [conversationId, participantId, before, limit];
    const { rows } = await this.pool.query<MessageRow>({ name: 'chat-messages', text: LIST, values });
    if (rows.length === 0) throw new Problem('conversation_not_found');
    return rows.filter(({ message_id }) => message_id !== null).map(toFullMessage);
  }
}

const toOldMessage = ({ id, sender_username, reply_id, content, sent_at }: FullMessageDto): MessageDto => ({
  id,
  sender_username,
  reply_id,
  content: content === '' ? ATTACHMENTS_ONLY : content,
  sent_at,
});
