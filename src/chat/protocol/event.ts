import type { Connection } from '../connections/connection.js';
import type { RequestFrame } from './request.dto.js';

/** What an event answers: `data` for the requester; undefined when everybody it concerns has been told already. */
export type Answer = object | string | undefined;

/** A frame that a client may send, and what it does. What `handle` throws becomes the error frame. */
export interface ChatEvent<Request = RequestFrame> {
  handle(from: Connection, request: Request): Answer | Promise<Answer>;
}

/** What the registry, the check of frames and the document need to know of an event. */
export interface EventClass {
  // oxlint-disable-next-line typescript/no-explicit-any -- each event has a constructor of its own
  new (...args: any[]): ChatEvent<never>;
  /** One sentence for the document. */
  readonly summary: string;
  /** The frame's fields, with their rules. */
  readonly request: new () => RequestFrame;
  /** The fields of the answer's `data`, of each when it is a list. */
  readonly data: (new () => object) | 'pong';
  readonly isList?: boolean;
  readonly sentTo: 'the requester' | 'every connected member';
  /** The next frame of this kind need not wait for the answer to this one; answers keep their order all the same. */
  readonly isPipelined?: boolean;
}
