import type { MissedMessage } from '../delivery/stored-messages.js';
import type { Problem } from '../../http/problems/problem.js';
import type { AttachmentDto } from '../protocol/message.dto.js';

/** A message to be stored. */
export interface NewMessage {
  conversation_id: number;
  /** Participant id. */
  sender_id: number;
  /** Not empty, also if there are attachments. */
  content: string;
  reply_id: number | null;
  /** A UUID unique to this message; see `nonceOf`. */
  nonce: string;
  /** Null for most messages. Others are stored one at a time. */
  attachment_ids: string[] | null;
}

/** Why a message is not stored. */
type RefusalKind = 'conflict' | 'not_a_member' | 'reply_not_found' | 'attachment_not_found' | 'attachment_used';

/** The result of storing one message. */
export type AppendOutcome = StoredMessage | { kind: RefusalKind } | { kind: 'failed'; problem: Problem };

/** `duplicate`: an earlier request has stored the same message under the same nonce. */
export interface StoredMessage {
  kind: 'stored' | 'duplicate';
  id: number;
  revision: number;
  /** In microseconds since the epoch. */
  storedAt: number;
  /** Null if the sender has been deleted. */
  senderUsername: string | null;
  attachments: AttachmentDto[] | null;
}

/** The results of storing a batch, and what was stored by other nodes before it. */
export interface AppendResult {
  /** One for each message, in their order. */
  outcomes: AppendOutcome[];
  /** Messages of followed conversations that this node had not delivered when it stored the batch, by revision. */
  missed: MissedMessage[];
  /** Conversations with further missed messages. */
  incomplete: number[];
}
