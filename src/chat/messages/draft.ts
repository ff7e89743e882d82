import type { Connection } from '../sockets/connection.js';
import type { SendMessageFrame } from './messages.dto.js';

/** A message on its way into the database. */
export interface Draft {
  from: Connection;
  request: SendMessageFrame;
  nonce: string;
  /** Called when it has been answered. */
  done: () => void;
}

/** What became of a draft; the words are those of the function `append_messages`. */
export interface Outcome {
  kind: 'stored' | 'again' | 'other' | 'unknown' | 'no reply';
  id: number;
  /** For "again": when the original was stored, in microseconds since the epoch. */
  number: number;
  username: string | null;
}
