import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import type { Representation } from '../../http/representation.js';
import { type PageVariant, typeOf } from '../../images/image-jobs.js';
import { ImageProcessingService } from '../../images/image-processing.service.js';
import { sizesOf } from '../../stored-images/image-files.js';
import { IMAGE_HEADERS, PRIVATE } from '../../stored-images/image-response.js';
import type { AttachmentDto } from '../protocol/message.dto.js';
import { AttachmentFilesService } from './attachment-files.service.js';
import { Attachment } from './attachment.entity.js';

const MAX_UNSENT = 50;
const MAX_UNSENT_BYTES = 200 * 1024 * 1024;
const UNSENT_AGE_MS = 24 * 3_600_000;
const REMOVED_AT_ONCE = 500;

/** Uploads of one user are counted one after the other. */
const LOCK_OWNER = 'select id from participants where user_id = $1 for no key update';

const COUNT_UNSENT = `select count(*)::int as count, coalesce(sum(s.bytes), 0)::float8 as bytes
  from attachments a cross join lateral (select sum(value::bigint) as bytes from jsonb_each_text(a.sizes)) s
  where a.owner_id = $1 and a.message_id is null`;

/**
 * The attachment $1 if the user $2 may see it: who may read its message, that is a member who was there when it was written and has not
 * blocked its sender; until it is sent, its owner.
 */
const SELECT_VISIBLE = `select a.id, a.format, a.width, a.height, a.sizes
  from attachments a join participants p on p.user_id = $2
  left join conversation_members m on m.conversation_id = a.conversation_id and m.participant_id = p.id
  where a.id = $1 and case
    when a.message_id is null then a.owner_id = p.id
    else a.message_id > m.joined_after_id and not exists (
      select from blocks b where b.participant_id = p.id and b.blocked_id = a.owner_id)
  end`;

const OF_USER = `a.owner_id = (select p.id from participants p where p.user_id = $1)`;
const REMOVE_UNSENT = `delete from attachments a where a.id = $2 and a.message_id is null and ${OF_USER} returning a.id`;
const REMOVE_ALL_UNSENT = `delete from attachments a where a.message_id is null and ${OF_USER}`;
const FIND_OWN = `select a.id from attachments a where a.id = $2 and ${OF_USER}`;

/** $1: created before. Those that are being sent now are left out. */
const REMOVE_EXPIRED = `delete from attachments where id in (
    select id from attachments where message_id is null and created_at <= $1
    limit ${REMOVED_AT_ONCE} for update skip locked
  ) returning id`;

/** What clients are told of an attachment, and what its files need. */
type VisibleAttachment = Pick<Attachment, 'id' | 'format' | 'width' | 'height' | 'sizes'>;

/**
 * Pictures of messages. Files are stored first, under a new id, then the row is inserted: no row ever points to missing files. Each
 * request for an attachment asks the database who may see it, so that a removal from the conversation takes effect at once, on every node.
 */
@Injectable()
export class AttachmentsService {
  constructor(
    @InjectRepository(Attachment) private readonly rows: Repository<Attachment>,
    private readonly images: ImageProcessingService,
    private readonly files: AttachmentFilesService,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a picture an attachment of a user, who can then send it. Throws `too_many_attachments`, `storage_unavailable` and what
   * `ImageProcessingService.make` throws.
   */
  async create(userId: string, file: Buffer[]): Promise<AttachmentDto> {
    const target = await this.files.findTarget();
    const { format, width, height, files } = await this.images.make('page', file, target);
    const fields = { id: uuidv7(), format, width, height, sizes: sizesOf(files) };
    await this.files.create(fields.id, { format, files });
    try {
      await this.rows.manager.transaction(async (manager) => {
        const [owner] = await manager.query<{ id: string }[]>(LOCK_OWNER, [userId]);
        if (!owner) throw tokenProblem('invalid_token');
        await checkQuota(manager, owner.id, fields);
        await manager.insert(Attachment, { ...fields, owner_id: owner.id, created_at: this.clock.date() });
      });
    } catch (error) {
      // After a failure of the server the row may exist all the same: the files stay, the worker deletes orphans.
      if (mapToProblem(error).getStatus() < 500) await this.files.discard(fields.id);
      throw error;
    }
    return toAttachmentDto(fields);
  }

  /** An attachment that the user may see. Throws `attachment_not_found`. */
  async get(userId: string | null, id: string): Promise<VisibleAttachment> {
    const [attachment] = await this.rows.query<VisibleAttachment[]>(SELECT_VISIBLE, [id, userId]);
    if (!attachment) throw new Problem('attachment_not_found');
    return attachment;
  }

  /** A file of an attachment that the user may see. Throws `attachment_not_found`; reading the bytes throws `storage_unavailable`. */
  async getImage(userId: string | null, id: string, variant: PageVariant): Promise<Representation> {
    const { format, sizes } = await this.get(userId, id);
    return {
      headers: { ...IMAGE_HEADERS, 'cache-control': PRIVATE, 'content-type': typeOf(variant, format) },
      etag: `"${id}-${variant}"`,
      read: () => this.files.read(id, variant, sizes[variant]),
    };
  }

  /** Deletes an attachment of a user that is not sent. Throws `attachment_not_found`, `attachment_used`. */
  async remove(userId: string, id: string): Promise<void> {
    const removed = await returningRows(this.rows, REMOVE_UNSENT, [userId, id]);
    if (removed.length > 0) return;
    const own = await this.rows.query<unknown[]>(FIND_OWN, [userId, id]);
    throw new Problem(own.length > 0 ? 'attachment_used' : 'attachment_not_found');
  }

  /** Deletes the attachments of a message. */
  async removeOfMessage(manager: EntityManager, conversationId: number, messageId: number): Promise<void> {
    await manager.delete(Attachment, { conversation_id: String(conversationId), message_id: String(messageId) });
  }

  /** Deletes what a user has not sent. What was sent stays with its message. */
  async removeUnsentOf(manager: EntityManager, userId: string): Promise<void> {
    await manager.query(REMOVE_ALL_UNSENT, [userId]);
  }

  /** Deletes some attachments that were not sent within 24 hours. Returns whether there may be more. */
  async removeExpired(): Promise<boolean> {
    const before = new Date(this.clock.now() - UNSENT_AGE_MS);
    const removed = await returningRows(this.rows, REMOVE_EXPIRED, [before]);
    return removed.length === REMOVED_AT_ONCE;
  }
}

/** Throws `too_many_attachments` if one more would exceed what a user may keep without sending it. */
async function checkQuota(
  manager: EntityManager,
  ownerId: string,
  { sizes }: Pick<Attachment, 'sizes'>,
): Promise<void> {
  const [unsent] = await manager.query<[{ count: number; bytes: number }]>(COUNT_UNSENT, [ownerId]);
  const bytes = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  if (unsent.count >= MAX_UNSENT || unsent.bytes + bytes > MAX_UNSENT_BYTES) throw new Problem('too_many_attachments');
}

/** An attachment as clients get it. */
export const toAttachmentDto = ({ id, format, width, height, sizes }: VisibleAttachment): AttachmentDto => ({
  id,
  media_type: `image/${format}`,
  width,
  height,
  bytes: sizes.original,
});
