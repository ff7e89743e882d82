import { ATTACHMENTS_ONLY, BLOCKED_CONTENT, DELETED_USER } from '../protocol/placeholders.js';
import type { AttachmentDto, FullMessageDto, ReactionDto } from '../protocol/message.dto.js';

const MAX_REACTIONS = 20;

const REACTIONS = `(
    select coalesce(json_agg(json_build_object('emoji', r.emoji, 'count', r.count, 'is_own', r.is_own)
      order by r.count desc, r.emoji), '[]')
    from (
      select emoji, count(*) as count, bool_or(message_reactions.participant_id = m.participant_id) as is_own from message_reactions
      where conversation_id = x.conversation_id and message_id = x.id and not exists (
        select from blocks rb where rb.participant_id = m.participant_id and rb.blocked_id = message_reactions.participant_id)
      group by emoji order by count(*) desc, emoji limit ${MAX_REACTIONS}
    ) r
  )`;

/** Columns of a message `x` as the member `m` may see it. A query with them also has MESSAGE_JOINS. */
export const MESSAGE_COLUMNS = `x.id as message_id, x.reply_id,
  case when k.blocked_id is null then x.content else '${BLOCKED_CONTENT}' end as content,
  floor(extract(epoch from x.sent_at)) as sent_at, floor(extract(epoch from x.edited_at)) as edited_at,
  x.deleted_at is not null as is_deleted, coalesce(xu.username, '${DELETED_USER}') as sender_username,
  ${REACTIONS} as reactions, case when k.blocked_id is null then x.attachments end as attachments`;

export const MESSAGE_JOINS = `left join blocks k on k.participant_id = m.participant_id and k.blocked_id = x.sender_id
  left join participants xp on xp.id = x.sender_id left join users xu on xu.id = xp.user_id`;

/** A row with MESSAGE_COLUMNS. */
export interface MessageRow {
  message_id: string;
  reply_id: string | null;
  content: string;
  sent_at: string;
  edited_at: string | null;
  is_deleted: boolean;
  sender_username: string;
  reactions: ReactionDto[];
  attachments: AttachmentDto[] | null;
}

const toNumber = (value: string | null): number | null => (value === null ? null : Number(value));

export const toFullMessage = (row: MessageRow): FullMessageDto => ({
  id: Number(row.message_id),
  sender_username: row.sender_username,
  reply_id: toNumber(row.reply_id),
  content: row.attachments && row.content === ATTACHMENTS_ONLY ? '' : row.content,
  sent_at: Number(row.sent_at),
  edited_at: toNumber(row.edited_at),
  is_deleted: row.is_deleted,
  reactions: row.reactions,
  ...(row.attachments && { attachments: row.attachments }),
});
