import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import type { ConversationEventDto } from '../events/conversation-events.dto.js';
import { ConversationEventsService } from '../events/conversation-events.service.js';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type MessageRow, toFullMessage } from '../messages/message-columns.js';
import type { CursorDto, ResumedConversationDto } from './sync.dto.js';

const MAX_EVENTS = 200;
/** Of the contents of all conversations together. */
const MAX_CHARACTERS = 512 * 1024;

/** Whether the caller ($1) is a member of each conversation, its revision, and whether there is anything after its cursor. */
const SELECT_NEWS = `select k.conversation_id, m.participant_id is not null as is_member, c.revision,
    exists (select from messages x where x.conversation_id = m.conversation_id and x.id > k.message_id)
      or exists (select from conversation_events e where e.conversation_id = m.conversation_id and e.revision > k.revision)
      as has_news
  from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as k (conversation_id, message_id, revision)
  left join conversation_members m on m.conversation_id = k.conversation_id and m.participant_id = $1
  left join conversations c on c.id = m.conversation_id`;

/**
 * Messages of users whom the reader has blocked are not delivered while the block lasts. With `greatest` instead of two comparisons,
 * PostgreSQL would read all messages of the conversation.
 */
const SELECT_MESSAGES = `select x.revision, ${MESSAGE_COLUMNS}
  from conversation_members m
  join messages x on x.conversation_id = m.conversation_id and x.id > $3 and x.id > m.joined_after_id
  ${MESSAGE_JOINS}
  where m.conversation_id = $1 and m.participant_id = $2 and x.revision <= $4 and k.blocked_id is null
  order by x.id limit ${MAX_EVENTS + 1}`;

type News = { conversation_id: string; is_member: boolean; revision: string | null; has_news: boolean };

/** Returns what clients have missed. Nothing is kept about clients: they send what they know. */
@Injectable()
export class ResumeService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly events: ConversationEventsService,
  ) {}

  /**
   * Returns the events after each cursor, at most 200 of a conversation and some 512 Ki characters of all together. The cursors
   * of the answer include them.
   */
  async resume(participantId: number, cursors: CursorDto[]): Promise<ResumedConversationDto[]> {
    const columns = [
      cursors.map(({ conversation_id }) => conversation_id),
      cursors.map(({ message_id }) => message_id),
      cursors.map(({ revision }) => revision),
    ];
    const { rows } = await this.pool.query<News>(SELECT_NEWS, [participantId, ...columns]);
    const news = new Map(rows.map((row) => [Number(row.conversation_id), row]));
    const resumed: ResumedConversationDto[] = [];
    let characters = 0;
    for (const { conversation_id, message_id, revision } of cursors) {
      const { is_member, has_news, revision: upTo } = news.get(conversation_id)!;
      const isFull = characters >= MAX_CHARACTERS;
      const cursor = { conversation_id, message_id, revision };
      const unchanged = { ...cursor, is_member, truncated: is_member && has_news, events: [] };
      const answer =
        is_member && has_news && !isFull
          ? await this.resumeOne(participantId, cursor, Number(upTo), MAX_CHARACTERS - characters)
          : unchanged;
      characters += answer.events.reduce((sum, event) => sum + lengthOf(event), 0);
      resumed.push(answer);
    }
    return resumed;
  }

  /**
   * Events and messages are read one after the other, both up to a revision that was read before: of what is stored meanwhile, the
   * answer would have a message without an event before it. The connection gets it in order.
   */
  private async resumeOne(
    participantId: number,
    cursor: CursorDto,
    upTo: number,
    room: number,
  ): Promise<ResumedConversationDto> {
    const { conversation_id } = cursor;
    const range = { after: cursor.revision, upTo, limit: MAX_EVENTS + 1 };
    const events = await this.events.list(participantId, conversation_id, range);
    const messages = await this.listMessages(participantId, conversation_id, cursor.message_id, upTo);
    const missed = [...events, ...messages].toSorted((a, b) => a.revision - b.revision);
    const taken = takeWithin(missed, room);
    const lastOf = (key: (event: ConversationEventDto) => number | undefined, known: number): number =>
      taken.reduce((last, event) => Math.max(last, key(event) ?? 0), known);
    return {
      conversation_id,
      message_id: lastOf(({ message }) => message?.id, cursor.message_id),
      revision: lastOf(({ kind, revision }) => (kind === 'message' ? undefined : revision), cursor.revision),
      is_member: true,
      truncated: taken.length < missed.length,
      events: taken,
    };
  }

  private async listMessages(
    participantId: number,
    conversation_id: number,
    after: number,
    upTo: number,
  ): Promise<ConversationEventDto[]> {
    type Row = MessageRow & { revision: string };
    const { rows } = await this.pool.query<Row>(SELECT_MESSAGES, [conversation_id, participantId, after, upTo]);
    return rows.map((row) => ({
      ...EMPTY,
      conversation_id,
      revision: Number(row.revision),
      kind: 'message',
      username: row.sender_username,
      at: Number(row.sent_at),
      message: toFullMessage(row),
    }));
  }
}

const EMPTY = { message_id: null, content: null, emoji: null, name: null, usernames: [], role: null };

const lengthOf = ({ message, content }: ConversationEventDto): number =>
  200 + (message?.content.length ?? 0) + (content?.length ?? 0);

/** The first events, at least one. */
function takeWithin(events: ConversationEventDto[], room: number): ConversationEventDto[] {
  let length = 0;
  const end = events.findIndex((event, i) => i >= MAX_EVENTS || ((length += lengthOf(event)) > room && i > 0));
  return end < 0 ? events : events.slice(0, end);
}
