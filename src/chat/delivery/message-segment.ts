import type { Frames } from '../protocol/websocket-frames.js';

/** Messages of one conversation with consecutive revisions, encoded as frames. */
export interface MessageSegment {
  conversationId: number;
  /** The revision before the first message: a node that has delivered up to it has missed nothing. */
  previous: number;
  /** The revision of the first message. */
  first: number;
  /** The participant id of the sender of each message. */
  senders: number[];
  frames: Frames;
  /** For clients that do not speak `machi.v2`, if they get other frames. */
  oldFrames?: Frames | undefined;
}

export const lastRevision = ({ first, senders }: MessageSegment): number => first + senders.length - 1;

/** The frames from one index up to before another one. */
export function sliceFrames({ bytes, ends }: Frames, from: number, to = ends.length): Frames {
  const start = from === 0 ? 0 : ends[from - 1]!;
  return { bytes: bytes.subarray(start, ends[to - 1]), ends: ends.slice(from, to).map((end) => end - start) };
}
