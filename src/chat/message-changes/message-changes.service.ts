import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Problem } from '../../http/problems/problem.js';
import { rightsOf } from '../../permissions/permissions.js';
import { actorOf } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { returningRows } from '../../database/statements/returning.js';
import { AttachmentsService } from '../attachments/attachments.service.js';
import { ConversationChangesService } from '../events/conversation-changes.service.js';
import type { ChangedDto } from '../events/conversation-events.dto.js';
import { MessageSearchService } from '../search/message-search.service.js';
import { DELETED_MESSAGE, DELETED_USER } from '../protocol/placeholders.js';
import type { MessageHistoryDto, MessageVersionDto } from './message-changes.dto.js';

const SELECT_MESSAGE = `select x.sender_id, p.user_id as sender_user_id, x.content, x.deleted_at is not null as is_deleted
  from messages x join participants p on p.id = x.sender_id where x.conversation_id = $1 and x.id = $2`;

const IS_OWN = 'select 1 from messages where conversation_id = $1 and id = $2 and sender_id = $3';

/** $3: revision, $4: participant id, $5: the time. */
const KEEP_VERSION = `insert into message_versions (conversation_id, message_id, revision, content, replaced_by_id, replaced_at)
  select conversation_id, id, $3, content, $4, $5 from messages where conversation_id = $1 and id = $2`;

const EDIT = 'update messages set content = $3, edited_at = $4 where conversation_id = $1 and id = $2';
const DELETE = `update messages set content = '${DELETED_MESSAGE}', deleted_at = $3, attachments = null where conversation_id = $1 and id = $2`;
const DELETE_REACTIONS = 'delete from message_reactions where conversation_id = $1 and message_id = $2';

/** Returns a row if the reaction has changed. */
const SET_REACTION = `insert into message_reactions as r (conversation_id, message_id, participant_id, emoji, created_at)
  values ($1, $2, $3, $4, $5)
  on conflict (conversation_id, message_id, participant_id) do update set emoji = excluded.emoji, created_at = excluded.created_at
  where r.emoji <> excluded.emoji returning 1`;
const REMOVE_REACTION = `delete from message_reactions
  where conversation_id = $1 and message_id = $2 and participant_id = $3 returning 1`;

const SELECT_HISTORY = `select x.content, x.deleted_at is not null as is_deleted,
    coalesce(u.username, '${DELETED_USER}') as sender_username, u.id as sender_user_id,
    coalesce((
      select json_agg(json_build_object('content', v.content, 'replaced_by', coalesce(vu.username, '${DELETED_USER}'),
        'replaced_at', v.replaced_at) order by v.revision)
      from message_versions v join participants vp on vp.id = v.replaced_by_id left join users vu on vu.id = vp.user_id
      where v.conversation_id = x.conversation_id and v.message_id = x.id
    ), '[]') as versions
  from messages x join participants p on p.id = x.sender_id left join users u on u.id = p.user_id
  where x.conversation_id = $1 and x.id = $2`;

interface Row {
  sender_id: string;
  /** Null if the user has been deleted. */
  sender_user_id: string | null;
  content: string;
  is_deleted: boolean;
}

/** The acting user, of a connection or of an HTTP request. */
export interface MessageActor {
  user_id: string;
  session_id: string;
  participant_id: number;
  /** Of the client of a connection; a request has its own. */
  ip?: string | null;
}

/** Changes stored messages. Earlier contents are kept for moderators. All methods throw `message_not_found`. */
@Injectable()
export class MessageChangesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly changes: ConversationChangesService,
    private readonly search: MessageSearchService,
    private readonly attachments: AttachmentsService,
    private readonly users: UsersService,
    private readonly audit: AuditService,
  ) {}

  /** Replaces the content of an own message. Throws `conversation_not_found`, `not_the_sender`, `message_deleted`. */
  edit(actorId: number, conversationId: number, id: number, content: string): Promise<ChangedDto> {
    return this.changes.change({ conversationId, actorId }, async ({ manager, joinedAfterId, at, record }) => {
      const message = await this.getShown(manager, conversationId, id, joinedAfterId);
      if (Number(message.sender_id) !== actorId) throw new Problem('not_the_sender');
      if (message.is_deleted) throw new Problem('message_deleted');
      if (message.content === content) return;
      const revision = await record('message_edited', { messageId: id });
      await manager.query(KEEP_VERSION, [conversationId, id, revision, actorId, at]);
      await manager.query(EDIT, [conversationId, id, content, at]);
      await this.search.update(manager, conversationId, id);
    });
  }

  /**
   * Deletes a message of one's own, or any as a moderator, who need not be a member; that is audited. Its id stays, with a
   * placeholder as its content; its attachments are deleted with their files. Throws `conversation_not_found`, `not_the_sender`.
   */
  async remove(actor: MessageActor, conversationId: number, id: number): Promise<ChangedDto> {
    const { participant_id: actorId, user_id, session_id, ip } = actor;
    const own = await this.dataSource.query<unknown[]>(IS_OWN, [conversationId, id, actorId]);
    const isModerator = own.length === 0 && (await this.isModerator(user_id));
    const options = { conversationId, actorId, isModerator };
    return this.changes.change(options, async ({ manager, joinedAfterId, at, record }) => {
      const message = await this.getShown(manager, conversationId, id, isModerator ? 0 : joinedAfterId);
      if (own.length === 0 && !isModerator) throw new Problem('not_the_sender');
      if (message.is_deleted) return;
      const revision = await record('message_deleted', { messageId: id });
      await manager.query(KEEP_VERSION, [conversationId, id, revision, actorId, at]);
      await manager.query(DELETE, [conversationId, id, at]);
      await manager.query(DELETE_REACTIONS, [conversationId, id]);
      await this.attachments.removeOfMessage(manager, conversationId, id);
      await this.search.update(manager, conversationId, id);
      if (!isModerator) return;
      await this.audit.write(manager, {
        action: 'message.deleted',
        ...actorOf({ id: user_id, session_id }),
        ip,
        subject_id: message.sender_user_id,
        details: { conversation_id: conversationId, message_id: id },
      });
    });
  }

  /** Sets the caller's reaction to a message, or takes it back. Throws `conversation_not_found`, `message_deleted`. */
  react(actorId: number, conversationId: number, id: number, emoji: string | null): Promise<ChangedDto> {
    return this.changes.change({ conversationId, actorId }, async ({ manager, joinedAfterId, at, record }) => {
      const message = await this.getShown(manager, conversationId, id, joinedAfterId);
      if (message.is_deleted) throw new Problem('message_deleted');
      const changed =
        emoji === null
          ? await returningRows(manager, REMOVE_REACTION, [conversationId, id, actorId])
          : await returningRows(manager, SET_REACTION, [conversationId, id, actorId, emoji, at]);
      if (changed.length > 0) await record('reaction', { messageId: id, value: emoji });
    });
  }

  /** A message with its earlier contents, for a moderator. Audited. */
  getHistory(
    actor: Omit<MessageActor, 'participant_id'>,
    conversationId: number,
    id: number,
  ): Promise<MessageHistoryDto> {
    type History = Omit<MessageHistoryDto, 'id' | 'versions'> & {
      sender_user_id: string | null;
      versions: (Omit<MessageVersionDto, 'replaced_at'> & { replaced_at: string })[];
    };
    return this.dataSource.transaction(async (manager) => {
      const [row] = await manager.query<History[]>(SELECT_HISTORY, [conversationId, id]);
      if (!row) throw new Problem('message_not_found');
      const { sender_user_id, versions, ...message } = row;
      await this.audit.write(manager, {
        action: 'message.history_viewed',
        ...actorOf({ id: actor.user_id, session_id: actor.session_id }),
        subject_id: sender_user_id,
        details: { conversation_id: conversationId, message_id: id },
      });
      const dated = versions.map((version) => ({ ...version, replaced_at: new Date(version.replaced_at) }));
      return { id, ...message, versions: dated };
    });
  }

  private async getShown(
    manager: EntityManager,
    conversationId: number,
    id: number,
    joinedAfterId: number,
  ): Promise<Row> {
    const [row] = await manager.query<Row[]>(SELECT_MESSAGE, [conversationId, id]);
    if (!row || id <= joinedAfterId) throw new Problem('message_not_found');
    return row;
  }

  /** Rights are read now and not when the connection was opened. */
  private async isModerator(userId: string): Promise<boolean> {
    const profile = await this.users.find(userId);
    return profile !== null && rightsOf(profile.groups).permissions.moderate_chat;
  }
}
