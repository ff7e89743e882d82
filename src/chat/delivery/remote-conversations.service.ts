import { Injectable } from '@nestjs/common';
import { BusService } from '../../bus/bus.service.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { FollowedConversationsService } from './followed-conversations.service.js';
import { GapRepairService } from './gap-repair.service.js';
import { MemberCacheService } from './member-cache.service.js';
import type { MessageSegment } from './message-segment.js';

const MESSAGES = 'messages';
const MEMBERS = 'members';
/** Longer lists of members are read from the database by the nodes that do not have them, once per version. */
const MAX_DETAIL = 256;

type MessagesHead = [
  conversationId: number,
  previous: number,
  first: number,
  senders: number[],
  ends: number[],
  membersVersion: number,
  membersDetail: string | null,
  /** Ends of the frames for clients that do not speak `machi.v2`, which follow the others in the body; missing if there are none. */
  oldEnds?: number[],
];
type MembersHead = [conversationId: number, revision: number, participantIds: number[]];

/** Sends the other nodes what happens in conversations, and handles what they send. */
@Injectable()
export class RemoteConversationsService {
  constructor(
    private readonly bus: BusService,
    private readonly followed: FollowedConversationsService,
    private readonly members: MemberCacheService,
    private readonly connections: ConnectionsService,
    private readonly repair: GapRepairService,
  ) {
    bus.onItem(MESSAGES, (head: MessagesHead, body) => this.receiveMessages(head, body));
    bus.onItem(MEMBERS, (head: MembersHead, body) => this.receiveMembers(head, body));
  }

  /** Sends messages to the members on other nodes. The frames are sent to their clients as they are. */
  sendMessages({ conversationId, previous, first, senders, frames, oldFrames }: MessageSegment): void {
    const detail = this.members.detailOf(conversationId) ?? null;
    const head: MessagesHead = [
      conversationId,
      previous,
      first,
      senders,
      frames.ends,
      this.members.versionOf(conversationId) ?? 0,
      detail !== null && detail.length <= MAX_DETAIL ? detail : null,
    ];
    if (oldFrames) head.push(oldFrames.ends);
    const body = oldFrames ? Buffer.concat([frames.bytes, oldFrames.bytes]) : frames.bytes;
    this.bus.send(conversationId, { kind: MESSAGES, head, body });
  }

  /**
   * To be called after the commit that has made these participants members of a conversation, at this revision. Those on other
   * nodes get the text, if there is one; those here are followed, and get it from the caller.
   */
  announceMembers(conversationId: number, revision: number, participantIds: number[], text = ''): void {
    if (!this.bus.isShared) return;
    this.followed.addMembers(conversationId, participantIds, revision);
    const head: MembersHead = [conversationId, revision, participantIds];
    this.bus.send(conversationId, { kind: MEMBERS, head, body: Buffer.from(text) });
  }

  private receiveMessages(head: MessagesHead, body: Buffer | null): void {
    const [conversationId, previous, first, senders, ends, version, detail, oldEnds] = head;
    const delivered = this.followed.revisionOf(conversationId);
    if (delivered === undefined) return;
    // Members who are new with these messages must not get those before them, which have not arrived.
    if (detail !== null && previous <= delivered) this.members.setIfNewer(conversationId, version, detail);
    const isOutdated = (this.members.versionOf(conversationId) ?? -1) < version;
    if (!body || isOutdated) this.followed.noteMissed(conversationId, first + senders.length - 1);
    else {
      const frames = { bytes: body, ends };
      const oldFrames = oldEnds && { bytes: body.subarray(ends.at(-1)), ends: oldEnds };
      this.followed.accept({ conversationId, previous, first, senders, frames, oldFrames });
    }
  }

  private receiveMembers([conversationId, revision, participantIds]: MembersHead, body: Buffer | null): void {
    if (!body) return void this.repair.announceMembers(conversationId, participantIds);
    const added = participantIds.filter((id) => !this.followed.isMember(id, conversationId));
    this.followed.addMembers(conversationId, added, revision);
    if (body.length === 0) return undefined;
    const text = body.toString();
    for (const id of added) for (const connection of this.connections.of(id)) connection.send(text);
    return undefined;
  }
}
