import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import { EventDeliveryService, type StoredEvent } from '../delivery/event-delivery.service.js';
import type { AttachmentDto } from '../protocol/message.dto.js';
import { DELETED_USER } from '../protocol/placeholders.js';
import { successText } from '../protocol/responses.js';
import type { Role } from '../protocol/roles.js';
import type { EventKind } from './conversation-event.entity.js';
import type { ConversationEventDto } from './conversation-events.dto.js';

const COLUMNS = `e.revision, e.kind, coalesce(u.username, '${DELETED_USER}') as username, e.message_id, e.value,
  floor(extract(epoch from e.created_at)) as at, case when e.kind = 'message_edited' then x.content end as content,
  case when e.kind = 'message_edited' then x.attachments end as attachments,
  case when e.kind = 'members_added' then c.name end as name,
  array(
    select coalesce(su.username, '${DELETED_USER}')::text from unnest(e.subject_ids) as s (id)
    join participants sp on sp.id = s.id left join users su on su.id = sp.user_id order by su.username
  ) as usernames`;

const JOINS = `join conversations c on c.id = e.conversation_id
  join participants p on p.id = e.actor_id left join users u on u.id = p.user_id
  left join messages x on x.conversation_id = e.conversation_id and x.id = e.message_id`;

/** Members who were added later see neither the event nor the message, and members who have blocked its sender do not get it. */
const IS_SHOWN = `e.revision > m.joined_revision and (e.message_id is null or e.message_id > m.joined_after_id)
  and not (e.kind in ('message_edited', 'reaction') and exists (
    select from blocks b where b.participant_id = m.participant_id and b.blocked_id = e.actor_id))`;

/** $1: conversation, $2: the revision after which it begins, $3: the last one, $4: participant id of the reader, $5: limit. */
const SELECT_FOR_MEMBER = `select ${COLUMNS}
  from conversation_events e ${JOINS}
  join conversation_members m on m.conversation_id = e.conversation_id and m.participant_id = $4
  where e.conversation_id = $1 and e.revision > $2 and e.revision <= $3 and ${IS_SHOWN}
  order by e.revision limit $5`;

/** $1: conversation, $2: the revision after which it begins. Members who were removed or have left get the event, too. */
const SELECT_FOR_ALL = `select ${COLUMNS}, array(
    select m.participant_id from conversation_members m where m.conversation_id = e.conversation_id and ${IS_SHOWN}
    union select s.id from unnest(e.subject_ids) as s (id) where e.kind = 'member_removed'
    union select e.actor_id where e.kind = 'member_left'
  ) as receivers
  from conversation_events e ${JOINS}
  where e.conversation_id = $1 and e.revision > $2 order by e.revision limit 100`;

interface Row {
  revision: string;
  kind: EventKind;
  username: string;
  message_id: string | null;
  value: string | null;
  at: string;
  content: string | null;
  attachments: AttachmentDto[] | null;
  name: string | null;
  usernames: string[];
}

/** Reads the events of conversations: for members who ask, and for the members to whom new events are sent. */
@Injectable()
export class ConversationEventsService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    delivery: EventDeliveryService,
  ) {
    delivery.readWith((conversationId, after) => this.listToSend(conversationId, after));
  }

  /** Returns the events after a revision, up to another one, that a member may see, oldest first. */
  async list(
    participantId: number,
    conversationId: number,
    { after, upTo, limit }: { after: number; upTo: number; limit: number },
  ): Promise<ConversationEventDto[]> {
    const values = [conversationId, after, upTo, participantId, limit];
    const { rows } = await this.pool.query<Row>(SELECT_FOR_MEMBER, values);
    return rows.map((row) => toDto(conversationId, row));
  }

  /** The events after a revision, with the members who are told, oldest first. */
  private async listToSend(conversationId: number, after: number): Promise<StoredEvent[]> {
    const { rows } = await this.pool.query<Row & { receivers: string[] }>(SELECT_FOR_ALL, [conversationId, after]);
    return rows.map(({ receivers, ...row }) => ({
      revision: Number(row.revision),
      receivers: receivers.map(Number),
      text: successText('conversation_event', toDto(conversationId, row)),
    }));
  }
}

const toDto = (conversation_id: number, row: Row): ConversationEventDto => ({
  conversation_id,
  revision: Number(row.revision),
  kind: row.kind,
  username: row.username,
  at: Number(row.at),
  message: null,
  message_id: row.message_id === null ? null : Number(row.message_id),
  content: row.content,
  emoji: row.kind === 'reaction' ? row.value : null,
  name: row.kind === 'renamed' ? row.value : row.name,
  usernames: row.usernames,
  role: row.kind === 'role_changed' ? (row.value as Role) : null,
  ...(row.attachments && { attachments: row.attachments }),
});
