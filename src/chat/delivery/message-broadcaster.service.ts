import { Injectable } from '@nestjs/common';
import { type BroadcastFrame, BroadcasterService, toOldFrames } from '../connections/broadcaster.service.js';
import { withRequestId } from '../protocol/responses.js';
import { type Frames, toFrames } from '../protocol/websocket-frames.js';
import { FollowedConversationsService } from './followed-conversations.service.js';
import { MemberCacheService } from './member-cache.service.js';
import { sliceFrames } from './message-segment.js';
import { RemoteConversationsService } from './remote-conversations.service.js';

/** A stored message as a frame. */
export interface MessageFrame extends BroadcastFrame {
  revision: number;
  /** Participant id. Members who have blocked the sender do not get the frame. */
  senderId: number;
  /** Whether this node has stored the message. Only such messages are sent to the other nodes. */
  isOwn: boolean;
}

/** Sends stored messages of a conversation to its members on this node, and those that this node has stored to the other nodes. */
@Injectable()
export class MessageBroadcasterService {
  constructor(
    private readonly members: MemberCacheService,
    private readonly broadcaster: BroadcasterService,
    private readonly followed: FollowedConversationsService,
    private readonly remote: RemoteConversationsService,
  ) {}

  /**
   * This node has delivered everything before these frames. They are sorted here: a message that a client has sent again and
   * another node has stored at the same microsecond counts as own, and has an earlier revision than those sent before it.
   */
  broadcast(conversationId: number, frames: MessageFrame[]): void {
    if (!this.followed.isActive) return this.broadcastHere(conversationId, frames);
    const delivered = this.followed.revisionOf(conversationId);
    const isNew = ({ revision }: MessageFrame): boolean => delivered === undefined || revision > delivered;
    for (const frame of frames) if (!isNew(frame)) answerAgain(frame);
    const fresh = frames.filter(isNew).toSorted((a, b) => a.revision - b.revision);
    if (fresh.length === 0) return undefined;
    const encoded = toFrames(fresh.map(({ text }) => text));
    const oldEncoded = toOldFrames(fresh);
    this.broadcastHere(conversationId, fresh, encoded, oldEncoded);
    this.sendToNodes(conversationId, fresh, { encoded, oldEncoded, delivered });
    const own = fresh.find(({ isOwn }) => isOwn);
    this.followed.advance(conversationId, fresh.at(-1)!.revision, fresh.length, own?.senderId);
    return undefined;
  }

  private broadcastHere(id: number, frames: MessageFrame[], encoded?: Frames, oldEncoded?: Frames): void {
    if (!this.members.hasBlocks(id) && !this.followed.hasNewMembers(id))
      return this.broadcaster.broadcast(this.members.of(id), frames, encoded, oldEncoded);
    for (const frame of frames) {
      const members = this.followed.receiversOf(id, frame.revision);
      const blockers = this.members.blockersOf(id, frame.senderId);
      this.broadcaster.broadcast(blockers ? members.filter((member) => !blockers.has(member)) : members, [frame]);
    }
    return undefined;
  }

  /** Sends each run of own messages with consecutive revisions. */
  private sendToNodes(
    id: number,
    frames: MessageFrame[],
    {
      encoded,
      oldEncoded,
      delivered,
    }: { encoded: Frames; oldEncoded: Frames | undefined; delivered: number | undefined },
  ): void {
    for (let from = 0; from < frames.length; from++) {
      const { isOwn, revision: first } = frames[from]!;
      if (!isOwn) continue;
      let to = from + 1;
      while (frames[to]?.isOwn && frames[to]!.revision === first + to - from) to++;
      this.remote.sendMessages({
        conversationId: id,
        previous: frames[from - 1]?.revision ?? delivered ?? first - 1,
        first,
        senders: frames.slice(from, to).map(({ senderId }) => senderId),
        frames: sliceFrames(encoded, from, to),
        oldFrames: oldEncoded && sliceFrames(oldEncoded, from, to),
      });
      from = to - 1;
    }
  }
}

/** The requester has missed its answer, because the message was read from the database meanwhile. */
function answerAgain({ text, oldText, requester, requestId }: MessageFrame): void {
  requester?.send(withRequestId(requester.isV2 ? text : (oldText ?? text), requestId));
}
