import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { FairQueue } from '../../common/concurrency/fair-queue.js';
import { POOL } from '../../database/connections/pool.js';
import { likePattern } from '../../database/statements/like-pattern.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { type ClientNetwork, fairShareOf } from '../../rate-limit/client-network.js';
import { ConversationsService } from '../conversations/conversations.service.js';
import { MESSAGE_COLUMNS, MESSAGE_JOINS, type MessageRow, toFullMessage } from '../messages/message-columns.js';
import type { FullMessageDto } from '../protocol/message.dto.js';
import { ATTACHMENTS_ONLY } from '../protocol/placeholders.js';

const MAX_TERMS = 8;
const MAX_WAITING = 100;
/** Messages whose texts are added in one transaction. */
const BATCH = 2000;

/** Locks the position, so that each text is added once, and is not added while its message is changed. */
const LOCK_POSITION = `insert into message_search_positions (conversation_id, message_id) values ($1, 0)
  on conflict (conversation_id) do update set message_id = message_search_positions.message_id returning message_id`;

const HAS_NEW = `select 1 from messages x
  where x.conversation_id = $1 and x.id > coalesce(
    (select message_id from message_search_positions where conversation_id = $1), 0) limit 1`;

/** The text in which a message is searched: a placeholder is none. */
const TEXT = `fold_text(case when x.attachments is not null and x.content = '${ATTACHMENTS_ONLY}' then '' else x.content end)`;

/** Messages are committed in the order of their ids, so none can appear before the position. */
const ADD_TEXTS = `with added as (
    select x.id, x.deleted_at, ${TEXT} as text from messages x
    where x.conversation_id = $1 and x.id > $2 order by x.id limit ${BATCH}
  ), texts as (
    insert into message_texts (conversation_id, message_id, folded)
    select $1, id, text from added where deleted_at is null
  )
  update message_search_positions set message_id = (select max(id) from added)
  where conversation_id = $1 and exists (select from added) returning message_id`;

const UPDATE_TEXT = `update message_texts f set folded = ${TEXT} from messages x
  where f.conversation_id = $1 and f.message_id = $2 and x.conversation_id = $1 and x.id = $2`;
const DELETE_TEXT = `delete from message_texts f using messages x
  where f.conversation_id = $1 and f.message_id = $2 and x.conversation_id = $1 and x.id = $2 and x.deleted_at is not null`;

/** $1: conversation, $2: participant id, $3: before which message, $4: limit; from $5 on, terms. */
export const searchSql = (terms: number): string => `select ${MESSAGE_COLUMNS}
  from conversation_members m
  join message_texts f on f.conversation_id = m.conversation_id and f.message_id > m.joined_after_id
  join messages x on x.conversation_id = m.conversation_id and x.id = f.message_id and x.deleted_at is null
  ${MESSAGE_JOINS}
  where m.conversation_id = $1 and m.participant_id = $2 and k.blocked_id is null
    and f.conversation_id = $1 and f.message_id < $3
    ${Array.from({ length: terms }, (_, i) => `and f.folded like ${likePattern(`fold_text($${i + 5})`)}`).join('\n    ')}
  order by f.message_id desc limit $4`;

/** Searches messages of a conversation. */
@Injectable()
export class MessageSearchService {
  /** A term of one or two letters reads all texts of the conversation, so searches may use two connections at most. */
  private readonly searches = new FairQueue({
    concurrency: 2,
    maxWaiting: MAX_WAITING,
    onFull: () => unavailable('busy'),
  });

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly dataSource: DataSource,
    private readonly conversations: ConversationsService,
  ) {}

  /**
   * Returns at most `limit` messages that contain all words, newest first, with ids below `before`. The first search in a
   * conversation adds its texts to the index, some 20,000 a second. `networks` are those of a connection, which has no request
   * context. Throws `conversation_not_found`, and `busy` when too many searches are waiting.
   */
  search(
    caller: { user_id: string; participant_id: number; networks?: ClientNetwork[] },
    conversationId: number,
    query: string,
    { before = Number.MAX_SAFE_INTEGER, limit }: { before?: number | undefined; limit: number },
  ): Promise<FullMessageDto[]> {
    return this.searches.run(fairShareOf(caller.user_id, caller.networks), async () => {
      await this.conversations.checkMembership(caller.participant_id, conversationId);
      await this.addTexts(conversationId);
      const terms = query.split(/\s+/u).filter((term) => term !== '');
      if (terms.length > MAX_TERMS)
        throw new Problem('invalid_value', { detail: `Search for at most ${MAX_TERMS} words.` });
      const values = [conversationId, caller.participant_id, before, limit, ...terms];
      const { rows } = await this.pool.query<MessageRow>(searchSql(terms.length), values);
      return rows.map(toFullMessage);
    });
  }

  /** To be called when the content of a message has changed, in the same transaction. */
  async update(manager: EntityManager, conversationId: number, messageId: number): Promise<void> {
    await manager.query(LOCK_POSITION, [conversationId]);
    await manager.query(UPDATE_TEXT, [conversationId, messageId]);
    await manager.query(DELETE_TEXT, [conversationId, messageId]);
  }

  private async addTexts(conversationId: number): Promise<void> {
    const { rows } = await this.pool.query(HAS_NEW, [conversationId]);
    for (let isBehind = rows.length > 0; isBehind;) {
      isBehind = await this.dataSource.transaction(async (manager) => {
        const [position] = await manager.query<[{ message_id: string }]>(LOCK_POSITION, [conversationId]);
        const moved = await returningRows(manager, ADD_TEXTS, [conversationId, position.message_id]);
        return moved.length > 0;
      });
    }
  }
}
