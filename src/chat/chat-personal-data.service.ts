import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { AttachmentFilesService } from './attachments/attachment-files.service.js';
import type { Attachment } from './attachments/attachment.entity.js';
import { AttachmentsService } from './attachments/attachments.service.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import { MembersService } from './members/members.service.js';
import { PresenceService } from './presence/presence.service.js';
import type { DataSubject, ExportPart, PersonalTable } from '../personal-data/personal-data.js';

const TABLES: Record<string, PersonalTable> = {
  participants: { columns: { user_id: 'unlinked' }, file: 'participant.json' },
  presences: { columns: { participant_id: 'deleted' }, file: 'participant.json' },
  contacts: { columns: { participant_id: 'deleted', contact_id: 'deleted' }, file: 'contacts.json' },
  contact_requests: {
    columns: { first_id: 'deleted', second_id: 'deleted', sender_id: 'deleted' },
    file: 'contact-requests.json',
  },
  blocks: { columns: { participant_id: 'deleted', blocked_id: 'deleted' }, file: 'blocks.json' },
  conversation_members: { columns: { participant_id: 'unlinked' }, file: 'conversations.json' },
  conversation_events: { columns: { actor_id: 'unlinked' }, file: 'conversation-events.json' },
  messages: { columns: { sender_id: 'unlinked' }, file: 'messages.json' },
  message_versions: { columns: { replaced_by_id: 'unlinked' }, file: 'message-versions.json' },
  attachments: { columns: { owner_id: 'unlinked' }, file: 'attachments.json' },
  message_reactions: { columns: { participant_id: 'unlinked' }, file: 'reactions.json' },
};

const PARTICIPANT = `select id, last_online_at, exists (select from presences where participant_id = id) as is_online
  from participants where user_id = $1`;

const nameOf = (id: string): string =>
  `(select u.username::text from participants o join users u on u.id = o.user_id where o.id = ${id})`;

const OWN = '(select id from participants where user_id = $1)';

/** Deleted users have no name. Who has blocked the user is not told. */
const LISTS = {
  contacts: `select ${nameOf('contact_id')} as username, created_at from contacts
    where participant_id = ${OWN} order by contact_id`,
  'contact-requests': `select ${nameOf('sender_id')} as sender,
      ${nameOf('case sender_id when first_id then second_id else first_id end')} as recipient, created_at
    from contact_requests where first_id = ${OWN} or second_id = ${OWN} order by id`,
  blocks: `select ${nameOf('blocked_id')} as username, created_at from blocks
    where participant_id = ${OWN} order by blocked_id`,
  conversations: `select c.id, c.name, c.created_at, m.created_at as member_since, array(
      select coalesce(${nameOf('other.participant_id')}, '') from conversation_members other
      where other.conversation_id = c.id order by other.participant_id) as members
    from conversation_members m join conversations c on c.id = m.conversation_id
    where m.participant_id = ${OWN} order by c.id`,
  'conversation-events': `select conversation_id, kind, message_id, value, created_at from conversation_events
    where actor_id = ${OWN} order by conversation_id, revision`,
  'message-versions': `select v.conversation_id, v.message_id, v.content, v.replaced_at
    from message_versions v join messages x on x.conversation_id = v.conversation_id and x.id = v.message_id
    where x.sender_id = ${OWN} order by v.message_id, v.revision`,
  reactions: `select conversation_id, message_id, emoji, created_at from message_reactions
    where participant_id = ${OWN} order by message_id`,
  messages: `select id, conversation_id, reply_id, sent_at, content from messages where sender_id = ${OWN} order by id`,
  attachments: `select id, conversation_id, message_id, position, format, width, height, sizes, created_at from attachments
    where owner_id = ${OWN} order by id`,
};

const ATTACHMENTS = `select id, format from attachments where owner_id = ${OWN} order by id`;

/** The chat of a user: contacts, blocks, conversations, and the messages and pictures that the user has sent. */
@Injectable()
export class ChatPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    private readonly members: MembersService,
    private readonly attachments: AttachmentsService,
    private readonly files: AttachmentFilesService,
    private readonly presence: PresenceService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'chat',
      tables: TABLES,
      export: (subject) => this.export(subject),
      erase: async (manager, { id }) => {
        // In the order in which a send locks: attachments, then conversations.
        await this.attachments.removeUnsentOf(manager, id);
        await this.members.giveUpOwnership(manager, id);
        await this.presence.announceDeletion(manager, id);
      },
    });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    const { rows } = await this.pool.query<object>(PARTICIPANT, [id]);
    yield { name: 'chat/participant.json', json: rows[0] ?? null };
    for (const [name, sql] of Object.entries(LISTS)) {
      yield { name: `chat/${name}.json`, rows: readRows(this.pool, sql, [id]) };
    }
    const { rows: pictures } = await this.pool.query<Pick<Attachment, 'id' | 'format'>>(ATTACHMENTS, [id]);
    for (const picture of pictures) {
      const file = await this.files.findWhole(picture.id, 'original');
      if (file) yield { name: `chat/attachments/${picture.id}.${picture.format}`, file };
    }
  }
}
