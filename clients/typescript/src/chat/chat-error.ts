import type { components } from '../generated/chat.js';

/** The codes of the server's error frames. */
export type ChatErrorCode = components['schemas']['ErrorCode'];

/**
 * - `connection_lost`: the connection broke before the answer; the request may have been carried out.
 * - `closed`: the chat was closed, or the user has to sign in again.
 * - `frame_too_long`: the server would close the connection because of this frame.
 */
export type ChatClientErrorCode = 'connection_lost' | 'closed' | 'frame_too_long';

/** A refused chat request. */
export class ChatError extends Error {
  override readonly name = 'ChatError';

  constructor(
    readonly code: ChatErrorCode | ChatClientErrorCode,
    message: string,
  ) {
    super(message);
  }
}
