import { Injectable } from '@nestjs/common';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';
import { replaced, toFrames } from '../protocol/websocket-frames.js';

/** A frame for many, and whose request it answers. */
export interface Delivered {
  text: string;
  from: Connection;
  request_id?: string | null | undefined;
}

/** The frame as its requester gets it who asked for the id to come back. */
export const withRequestId = (text: string, requestId: string | null | undefined): string =>
  requestId == null ? text : `${text.slice(0, -1)},"request_id":${JSON.stringify(requestId)}}`;

/** The one place that hands frames to the connections of a conversation's members. */
@Injectable()
export class BroadcasterService {
  constructor(private readonly connections: ConnectionsService) {}

  /** In this order, each built once; only a requester who asked for an id back gets bytes of their own. */
  toMembers(participantIds: Iterable<number>, delivered: Delivered[]): void {
    const frames = toFrames(delivered.map(({ text }) => text));
    const own = ownVersions(delivered);
    for (const id of participantIds) {
      for (const connection of this.connections.of(id)) {
        const others = own?.get(connection);
        connection.write(others ? replaced(frames, others) : frames.bytes);
      }
    }
  }
}

/** For each connection that differs: which frames, and what instead. */
function ownVersions(delivered: Delivered[]): Map<Connection, Map<number, string>> | undefined {
  let own: Map<Connection, Map<number, string>> | undefined;
  for (const [i, { text, from, request_id }] of delivered.entries()) {
    if (request_id == null) continue;
    own ??= new Map();
    const versions = own.get(from) ?? new Map<number, string>();
    own.set(from, versions.set(i, withRequestId(text, request_id)));
  }
  return own;
}
