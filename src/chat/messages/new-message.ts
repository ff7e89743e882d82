import type { Problem } from '../../http/problems/problem.js';

/** A message to be stored. */
export interface NewMessage {
  conversation_id: number;
  /** Participant id. */
  sender_id: number;
  content: string;
  reply_id: number | null;
  /** A UUID unique to this message; see `nonceOf`. */
  nonce: string;
}

/** The result of storing one message. */
export type AppendOutcome =
  StoredMessage | { kind: 'conflict' | 'not_a_member' | 'reply_not_found' } | { kind: 'failed'; problem: Problem };

/** `duplicate`: an earlier request has stored the same message under the same nonce. */
export interface StoredMessage {
  kind: 'stored' | 'duplicate';
  id: number;
  /** In microseconds since the epoch. */
  storedAt: number;
  /** Null if the sender has been deleted. */
  senderUsername: string | null;
}
