import type { AttachmentDto } from '../protocol/message.dto.js';
import { ATTACHMENTS_ONLY, DELETED_USER } from '../protocol/placeholders.js';

/** A stored message as it is sent to the members of its conversation. */
export interface MessageFields {
  id: number;
  /** Null if the sender has been deleted. */
  senderUsername: string | null;
  conversation_id: number;
  reply_id: number | null;
  content: string;
  /** In unix seconds. */
  sent_at: number;
  attachments: AttachmentDto[] | null;
}

/** A message that this node reads from the database because the bus did not deliver it. */
export interface MissedMessage extends MessageFields {
  revision: number;
  sender_id: number;
  nonce: string;
}

/** A message as a frame. */
export interface MessageTexts {
  text: string;
  /** For clients that do not speak `machi.v2`, if they get another text. */
  oldText: string | undefined;
}

/** Clients of `machi.v2` are told of the attachments; others get only the text, or a placeholder. */
export function messageTexts(message: MessageFields): MessageTexts {
  const { content, attachments } = message;
  if (!attachments) return { text: messageText(message, content), oldText: undefined };
  const told = `,"attachments":${JSON.stringify(attachments)}`;
  return {
    text: messageText(message, content === ATTACHMENTS_ONLY ? '' : content, told),
    oldText: messageText(message, content),
  };
}

/** Uses JSON.stringify for the content only, because this frame is built thousands of times a second. */
const messageText = (message: MessageFields, content: string, attachments = ''): string =>
  `{"success":true,"type":"send_message","data":{"id":${message.id},` +
  `"sender_username":"${message.senderUsername ?? DELETED_USER}",` +
  `"conversation_id":${message.conversation_id},"reply_id":${message.reply_id},` +
  `"content":${JSON.stringify(content)},"sent_at":${message.sent_at}${attachments}}}`;

/** A missed message from the columns that `append_messages` returns, whose `detail` is JSON. */
export function toMissedMessage(
  conversation_id: number,
  id: number,
  revision: number,
  nonce: string,
  detail: string,
): MissedMessage {
  const { sender_id, sender_username, reply_id, content, sent_at, attachments } = JSON.parse(detail) as Detail;
  return {
    conversation_id,
    id,
    revision,
    nonce,
    sender_id,
    senderUsername: sender_username,
    reply_id,
    content,
    sent_at,
    attachments,
  };
}

interface Detail {
  sender_id: number;
  sender_username: string | null;
  reply_id: number | null;
  content: string;
  sent_at: number;
  attachments: AttachmentDto[] | null;
}
