import { ApiProperty } from '@nestjs/swagger';
import { ROLES, type Role } from '../protocol/roles.js';
import { AttachmentDto, FullMessageDto } from '../protocol/message.dto.js';
import { EVENT_KINDS, type EventKind } from './conversation-event.entity.js';

/** A change of a conversation. Fields that the kind does not need are null. */
export class ConversationEventDto {
  /** @example 12 */
  conversation_id: number;
  /**
   * Grows with each event of the conversation. Numbers may be skipped.
   * @example 47
   */
  revision: number;
  /** `message`: a new message, in the answer to `resume` only. Ignore kinds that you do not know. */
  @ApiProperty({ enum: ['message', ...EVENT_KINDS], example: 'renamed' })
  kind: 'message' | EventKind;
  /**
   * Who caused the event. "[deleted]" if the user has been deleted.
   * @example hana.sato
   */
  username: string;
  /**
   * In unix seconds.
   * @example 1795276800
   */
  at: number;
  /** For `message`. */
  message: FullMessageDto | null;
  /**
   * For `message_edited`, `message_deleted` and `reaction`.
   * @example 4711
   */
  message_id: number | null;
  /**
   * For `message_edited`: the current content.
   * @example "The lanterns are up since noon."
   */
  content: string | null;
  /**
   * For `reaction`; null if the user has taken it back.
   * @example 🎉
   */
  emoji: string | null;
  /**
   * For `renamed`, and for `members_added`, so that those who were added know it.
   * @example "Harbour festival"
   */
  name: string | null;
  /**
   * For `members_added`, `member_removed` and `role_changed`: whom it is about.
   * @example []
   */
  usernames: string[];
  /** For `role_changed`. */
  @ApiProperty({ enum: ROLES, nullable: true, example: null })
  role: Role | null;
  /** For `message_edited`, if the message has some; an edit does not change them. */
  attachments?: AttachmentDto[];
}

/** The conversation has changed. */
export class ChangedDto {
  /** @example 12 */
  conversation_id: number;
  /**
   * The revision of the last event of the change; of the last event before, if nothing was to be changed.
   * @example 47
   */
  revision: number;
}
