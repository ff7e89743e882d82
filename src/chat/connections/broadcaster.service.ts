import { Injectable } from '@nestjs/common';
import { withRequestId } from '../protocol/responses.js';
import { replaceFrames, toFrames } from '../protocol/websocket-frames.js';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';

/** A text frame for all members of a conversation. */
export interface BroadcastFrame {
  text: string;
  /** The connection whose request the frame answers. */
  requester: Connection;
  requestId?: string | null | undefined;
}

/** Sends frames to all connections of the members of a conversation. */
@Injectable()
export class BroadcasterService {
  constructor(private readonly connections: ConnectionsService) {}

  /** Sends the frames in this order. They are encoded once; a requester that sent a `request_id` gets bytes of its own. */
  broadcast(participantIds: Iterable<number>, frames: BroadcastFrame[]): void {
    const encoded = toFrames(frames.map(({ text }) => text));
    const answers = answersByRequester(frames);
    for (const id of participantIds) {
      for (const connection of this.connections.of(id)) {
        const replacements = answers?.get(connection);
        connection.sendFrames(replacements ? replaceFrames(encoded, replacements) : encoded.bytes);
      }
    }
  }
}

/** The frames with a `request_id`, by requester and index. */
function answersByRequester(frames: BroadcastFrame[]): Map<Connection, Map<number, string>> | undefined {
  let answers: Map<Connection, Map<number, string>> | undefined;
  for (const [i, { text, requester, requestId }] of frames.entries()) {
    if (requestId == null) continue;
    answers ??= new Map();
    const own = answers.get(requester) ?? new Map<number, string>();
    answers.set(requester, own.set(i, withRequestId(text, requestId)));
  }
  return answers;
}
