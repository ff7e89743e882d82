import { Injectable } from '@nestjs/common';
import { MetricsService } from '../../metrics/metrics.service.js';
import { withRequestId } from '../protocol/responses.js';
import { type Frames, replaceFrames, toFrames } from '../protocol/websocket-frames.js';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';

/** A text frame for all members of a conversation. */
export interface BroadcastFrame {
  text: string;
  /** For clients that do not speak `machi.v2`, if they get another text. */
  oldText?: string | undefined;
  /** The connection whose request the frame answers; none for a message of another node. */
  requester?: Connection | undefined;
  requestId?: string | null | undefined;
}

/** Sends frames to connections of participants to this node. */
@Injectable()
export class BroadcasterService {
  private deliveries = 0;

  constructor(
    private readonly connections: ConnectionsService,
    metrics: MetricsService,
  ) {
    const help = 'Frames sent to the members of conversations, counted for each connection.';
    metrics.total('machi_chat_deliveries_total', help, () => this.deliveries);
  }

  /** Sends the frames in this order. They are encoded once; a requester that sent a `request_id` gets bytes of its own. */
  broadcast(
    participantIds: Iterable<number>,
    frames: BroadcastFrame[],
    encoded = toFrames(frames.map(({ text }) => text)),
    oldEncoded = toOldFrames(frames),
  ): void {
    const answers = answersByRequester(frames);
    for (const id of participantIds) {
      for (const connection of this.connections.of(id)) {
        const replacements = answers?.get(connection);
        this.deliveries += frames.length;
        const { bytes, ends } = connection.isV2 ? encoded : (oldEncoded ?? encoded);
        connection.sendFrames(replacements ? replaceFrames({ bytes, ends }, replacements) : bytes);
      }
    }
  }

  /** Sends encoded frames; `oldFrames` to clients that do not speak `machi.v2`. */
  send(participantIds: Iterable<number>, frames: Frames, oldFrames = frames): void {
    for (const id of participantIds) {
      for (const connection of this.connections.of(id)) {
        this.deliveries += frames.ends.length;
        connection.sendFrames(connection.isV2 ? frames.bytes : oldFrames.bytes);
      }
    }
  }
}

/** The frames for clients that do not speak `machi.v2`; undefined if they are the same. */
export function toOldFrames(frames: BroadcastFrame[]): Frames | undefined {
  if (frames.every(({ oldText }) => oldText === undefined)) return undefined;
  return toFrames(frames.map(({ text, oldText }) => oldText ?? text));
}

/** The frames with a `request_id`, by requester and index. */
function answersByRequester(frames: BroadcastFrame[]): Map<Connection, Map<number, string>> | undefined {
  let answers: Map<Connection, Map<number, string>> | undefined;
  for (const [i, { text, oldText, requester, requestId }] of frames.entries()) {
    if (requestId == null || !requester) continue;
    answers ??= new Map();
    const own = answers.get(requester) ?? new Map<number, string>();
    answers.set(requester, own.set(i, withRequestId(requester.isV2 ? text : (oldText ?? text), requestId)));
  }
  return answers;
}
