import type { Connection } from '../connections/connection.js';
import type { SendMessageFrame } from './messages.dto.js';

/** A message on its way into the database. */
export interface PendingMessage {
  from: Connection;
  request: SendMessageFrame;
  nonce: string;
  /** Called when it has been answered. */
  done: () => void;
}

/** What became of a draft; the words are those of the function `append_messages`. */
export interface Outcome {
  kind: 'stored' | 'duplicate' | 'conflict' | 'not_a_member' | 'reply_not_found';
  id: number;
  /** For "duplicate": when the original was stored, in microseconds since the epoch. */
  number: number;
  username: string | null;
}
