import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { toFrames } from '../protocol/websocket-frames.js';
import { FollowedConversationsService } from './followed-conversations.service.js';
import { MemberCacheService } from './member-cache.service.js';
import { type MissedMessage, messageTexts, toMissedMessage } from './stored-messages.js';

const MAX_PER_CONVERSATION = 500;
const MAX_CONVERSATIONS = 50;

/**
 * $1: conversations; $2: the revisions up to which they were delivered; $3: the versions of their cached members. Returns a row of
 * kind `conversation` for each, with its revision and version and, if that has changed, its members; its messages; and if the
 * version has changed, who has become a member after the delivered revision: this node may not have been told of it yet.
 */
const SELECT = `with known as (
    select * from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as k (id, revision, version)
  )
  select 'conversation', c.id, c.revision, c.members_version, null, case when c.members_version is distinct from k.version then (
      select coalesce(string_agg(m.participant_id::text, ','), '')
        || case when c.has_blocks then ';' || blocks_among(c.id) else '' end
      from conversation_members m where m.conversation_id = c.id) end
  from known k join conversations c on c.id = k.id
  union all
  select 'message', k.id, m.revision, m.id, m.nonce::text, json_build_object('sender_id', m.sender_id, 'sender_username', u.username,
      'reply_id', m.reply_id, 'content', m.content, 'attachments', m.attachments, 'sent_at', floor(extract(epoch from m.sent_at)))::text
  from known k cross join lateral (
    select * from messages where conversation_id = k.id and revision > k.revision
    order by revision limit ${MAX_PER_CONVERSATION}
  ) m
  left join participants p on p.id = m.sender_id left join users u on u.id = p.user_id
  union all
  select 'joined', k.id, m.joined_revision, m.participant_id, null, null
  from known k join conversations c on c.id = k.id and c.members_version is distinct from k.version
  join conversation_members m on m.conversation_id = k.id and m.joined_revision > k.revision`;

type Row = [
  kind: 'conversation' | 'message' | 'joined',
  id: string,
  revision: string,
  number: string,
  nonce: string,
  detail: string | null,
];

/** What the database has of a conversation after a revision. */
interface Missed {
  revision: number;
  messages: MissedMessage[];
}

/** Reads what conversations have missed from the database and delivers it. */
@Injectable()
export class MissedMessagesService {
  private repairs = 0;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly followed: FollowedConversationsService,
    private readonly members: MemberCacheService,
    metrics: MetricsService,
  ) {
    const help = 'Conversations whose missed messages were read from the database.';
    metrics.total('machi_chat_repairs_total', help, () => this.repairs);
  }

  /** Delivers everything that is stored when the query runs, except after a message that this node is storing. */
  async deliver(conversationIds: number[]): Promise<void> {
    let ids = [...new Set(conversationIds)];
    while (ids.length > 0) {
      const batch = ids.splice(0, MAX_CONVERSATIONS);
      const incomplete = await this.deliverBatch(batch.filter((id) => this.followed.revisionOf(id) !== undefined));
      ids = [...incomplete, ...ids];
    }
  }

  /** Returns the conversations of which more is stored than was read. */
  private async deliverBatch(ids: number[]): Promise<number[]> {
    if (ids.length === 0) return [];
    const incomplete: number[] = [];
    for (const [id, { revision, messages }] of await this.read(ids)) {
      if (this.members.versionOf(id) === null) {
        incomplete.push(id); // other conversations have replaced its members in the cache
        continue;
      }
      if (messages.length > 0) this.repairs++;
      const isCut = this.deliverMessages(id, messages);
      if (messages.length === MAX_PER_CONVERSATION && !isCut) incomplete.push(id);
      else if (!isCut) this.followed.advance(id, revision);
    }
    return incomplete;
  }

  private async read(ids: number[]): Promise<Map<number, Missed>> {
    const revisions = ids.map((id) => this.followed.revisionOf(id)!);
    const values = [ids, revisions, this.members.versionsOf(ids)[1]];
    const { rows } = await this.pool.query<Row>({ name: 'chat-missed', text: SELECT, values, rowMode: 'array' });
    const missed = new Map<number, Missed>();
    for (const [kind, id, revision, version, , detail] of rows) {
      if (kind !== 'conversation') continue;
      missed.set(Number(id), { revision: Number(revision), messages: [] });
      if (detail !== null) this.members.setIfNewer(Number(id), Number(version), detail);
    }
    for (const [kind, id, revision, participantId] of rows)
      if (kind === 'joined') this.followed.noteJoined(Number(id), Number(participantId), Number(revision));
    for (const [kind, id, revision, messageId, nonce, detail] of rows) {
      if (kind !== 'message') continue;
      const message = toMissedMessage(Number(id), Number(messageId), Number(revision), nonce, detail!);
      missed.get(message.conversation_id)?.messages.push(message);
    }
    for (const { messages } of missed.values()) messages.sort((a, b) => a.revision - b.revision);
    return missed;
  }

  /** Returns whether it stopped before a message that this node is storing: the answer to its request delivers that one. */
  private deliverMessages(conversationId: number, messages: MissedMessage[]): boolean {
    for (const message of messages) {
      const { revision, nonce, sender_id } = message;
      if (this.followed.inFlight.has(nonce)) return true;
      const previous = this.followed.revisionOf(conversationId) ?? revision;
      const { text, oldText } = messageTexts(message);
      const frames = toFrames([text]);
      const oldFrames = oldText === undefined ? undefined : toFrames([oldText]);
      this.followed.accept({ conversationId, previous, first: revision, senders: [sender_id], frames, oldFrames });
    }
    return false;
  }
}
