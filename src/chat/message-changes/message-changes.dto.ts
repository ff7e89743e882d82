import { IsId, IsOptionalEmoji, IsVisibleText } from '../protocol/field-decorators.js';
import { RequestFrame } from '../protocol/request-frame.dto.js';

/** The fields of a `delete_message` request. */
export class MessageFrame extends RequestFrame {
  /** @example 12 */
  @IsId() conversation_id: number;
  /** @example 4711 */
  @IsId() message_id: number;
}

/** The fields of an `edit_message` request. */
export class EditMessageFrame extends MessageFrame {
  /**
   * Replaces the content.
   * @example "The lanterns are up since noon."
   */
  @IsVisibleText(16_000) content: string;
}

/** The fields of a `react` request. */
export class ReactFrame extends MessageFrame {
  /**
   * One emoji, which replaces the caller’s earlier reaction; null, or a missing field, removes the reaction.
   * @example 🎉
   */
  @IsOptionalEmoji() emoji?: string | null;
}

/** An earlier content of a message. */
export class MessageVersionDto {
  /** @example "The lantern are up." */
  content: string;
  /**
   * Who replaced it. "[deleted]" if the user has been deleted.
   * @example hana.sato
   */
  replaced_by: string;
  /** @example "2026-11-21T16:00:00.000Z" */
  replaced_at: Date;
}

/** A message with its earlier contents. */
export class MessageHistoryDto {
  /** @example 4711 */
  id: number;
  /** @example hana.sato */
  sender_username: string;
  /** @example "The lanterns are up since noon." */
  content: string;
  /** @example false */
  is_deleted: boolean;
  /** Oldest first. */
  versions: MessageVersionDto[];
}
