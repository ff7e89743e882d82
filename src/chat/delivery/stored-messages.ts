import { DELETED_USER } from '../protocol/placeholders.js';

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
}

/** A message that this node reads from the database because it was told nothing of it. */
export interface MissedMessage extends MessageFields {
  revision: number;
  sender_id: number;
  nonce: string;
}

/** Uses JSON.stringify for the content only, because this frame is built thousands of times a second. */
export const messageText = (message: MessageFields): string =>
  `{"success":true,"type":"send_message","data":{"id":${message.id},` +
  `"sender_username":"${message.senderUsername ?? DELETED_USER}",` +
  `"conversation_id":${message.conversation_id},"reply_id":${message.reply_id},` +
  `"content":${JSON.stringify(message.content)},"sent_at":${message.sent_at}}}`;

/** A missed message from the columns that `append_messages` returns, whose `detail` is JSON. */
export function toMissedMessage(
  conversation_id: number,
  id: number,
  revision: number,
  nonce: string,
  detail: string,
): MissedMessage {
  const { sender_id, sender_username, reply_id, content, sent_at } = JSON.parse(detail) as Detail;
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
  };
}

interface Detail {
  sender_id: number;
  sender_username: string | null;
  reply_id: number | null;
  content: string;
  sent_at: number;
}
