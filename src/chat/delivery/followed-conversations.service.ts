import { Injectable } from '@nestjs/common';
import { BusService } from '../../bus/bus.service.js';
import { BroadcasterService } from '../connections/broadcaster.service.js';
import { type ConnectionListener, ConnectionsService } from '../connections/connections.service.js';
import { MemberCacheService } from './member-cache.service.js';
import { lastRevision, type MessageSegment, sliceFrames } from './message-segment.js';
import { type MembershipRow, MembershipsService } from './memberships.service.js';

/** How long a gap may be filled by frames that are on their way, before it is filled from the database. */
export const GAP_MS = 30;
/** Segments of a conversation that wait for a gap to be filled; further ones are read from the database. */
const MAX_WAITING = 1_000;
/** Participants without a connection are forgotten after one to two of these many ticks of 500 ms. */
const FORGET_TICKS = 20;

interface FollowedConversation {
  /** The revision up to which the connections to this node have got everything. */
  revision: number;
  /** The revision of the last event that was sent. */
  eventRevision: number;
  /** Participants on this node who are members. */
  followers: number;
  waiting: MessageSegment[];
  /** Participants who joined or connected at a revision that is not delivered yet, by participant id. They get what comes after it. */
  joined: Map<number, number>;
  isRepairScheduled: boolean;
  /** Whether the scheduled repair runs also if no segment waits. */
  isRepairForced: boolean;
}

/** Reads from the database what these conversations have missed. Never rejects. */
type Repair = (conversationIds: number[]) => Promise<void>;

/**
 * Where other nodes may exist: the conversations of the users who are connected to this node, and up to which revision each was
 * delivered. Messages are delivered in the order of their revisions, each once, whether they come from this node, from the bus, or
 * from the database. See docs/decisions/bus.md.
 */
@Injectable()
export class FollowedConversationsService implements ConnectionListener {
  /** Nonces of the messages that this node is storing: they are delivered with the answers to their requests. */
  readonly inFlight = new Set<string>();
  private readonly followed = new Map<number, FollowedConversation>();
  private readonly byParticipant = new Map<number, Set<number>>();
  private readonly loading = new Map<number, Promise<void>>();
  private readonly unused = new Set<number>();
  private ticks = 0;
  private repair: Repair = () => Promise.resolve();
  private reportEventRevisions: (conversationId: number) => void = () => undefined;

  constructor(
    private readonly bus: BusService,
    private readonly connections: ConnectionsService,
    private readonly memberships: MembershipsService,
    private readonly members: MemberCacheService,
    private readonly broadcaster: BroadcasterService,
  ) {
    if (bus.isShared) connections.addListener(this);
  }

  /** Sets the function that fills gaps. */
  repairWith(repair: Repair): void {
    this.repair = repair;
  }

  /** Calls the function when a conversation has revisions that are no messages. */
  onEventRevisions(reportEventRevisions: (conversationId: number) => void): void {
    this.reportEventRevisions = reportEventRevisions;
  }

  /** False if this process is the only node: then nothing is followed. */
  get isActive(): boolean {
    return this.bus.isShared;
  }

  /** The participants whose conversations are followed. */
  get participants(): Iterable<number> {
    return this.byParticipant.keys();
  }

  get participantCount(): number {
    return this.byParticipant.size;
  }

  /** The revision up to which a conversation was delivered; undefined if it is not followed. */
  revisionOf(conversationId: number): number | undefined {
    return this.followed.get(conversationId)?.revision;
  }

  /** The revision up to which the events of a conversation were sent; undefined if it is not followed. */
  eventRevisionOf(conversationId: number): number | undefined {
    return this.followed.get(conversationId)?.eventRevision;
  }

  advanceEvents(conversationId: number, revision: number): void {
    const conversation = this.followed.get(conversationId);
    if (conversation) conversation.eventRevision = Math.max(conversation.eventRevision, revision);
  }

  /** Whether members have joined at a revision that is not delivered yet. */
  hasNewMembers(conversationId: number): boolean {
    return (this.followed.get(conversationId)?.joined.size ?? 0) > 0;
  }

  /** The cached members, without those who joined after this revision. */
  receiversOf(conversationId: number, revision: number): number[] {
    const members = this.members.of(conversationId);
    const joined = this.followed.get(conversationId)?.joined;
    return joined?.size ? members.filter((id) => (joined.get(id) ?? 0) < revision) : members;
  }

  isMember(participantId: number, conversationId: number): boolean {
    return this.byParticipant.get(participantId)?.has(conversationId) ?? false;
  }

  /**
   * Follows the conversations of a participant before the connection is admitted: what is appended from now on is delivered, and
   * what was appended before is not.
   */
  async beforeConnected(participantId: number): Promise<void> {
    if (this.byParticipant.has(participantId)) return;
    let loading = this.loading.get(participantId);
    if (!loading) {
      loading = this.load(participantId).finally(() => this.loading.delete(participantId));
      this.loading.set(participantId, loading);
    }
    await loading;
  }

  onTick(): void {
    if (++this.ticks % FORGET_TICKS !== 0) return;
    for (const id of this.byParticipant.keys()) {
      if (this.connections.isConnected(id) || this.loading.has(id)) this.unused.delete(id);
      else if (!this.unused.has(id)) this.unused.add(id);
      else this.forget(id);
    }
  }

  /** To be called when participants have become members. Those who are not connected to this node are ignored. */
  addMembers(conversationId: number, participantIds: number[], revision: number): void {
    for (const id of participantIds) {
      const conversations = this.byParticipant.get(id);
      if (!conversations || conversations.has(conversationId)) continue;
      conversations.add(conversationId);
      this.addFollower(conversationId, id, revision);
    }
    if (this.followed.has(conversationId)) this.scheduleRepair(conversationId, GAP_MS, true);
  }

  /**
   * To be called before messages are delivered to members of whom this node was perhaps not told. Messages up to this revision
   * are not for this one.
   */
  noteJoined(conversationId: number, participantId: number, revision: number): void {
    const conversation = this.followed.get(conversationId);
    if (conversation && conversation.revision < revision) conversation.joined.set(participantId, revision);
  }

  /** Delivers messages of another node, at once if nothing before them is missing. */
  accept(segment: MessageSegment): void {
    const conversation = this.followed.get(segment.conversationId);
    if (!conversation || lastRevision(segment) <= conversation.revision) return;
    if (this.isNext(conversation, segment)) {
      this.deliver(conversation, segment);
      this.deliverWaiting(conversation);
    } else {
      if (conversation.waiting.length < MAX_WAITING) conversation.waiting.push(segment);
      this.scheduleRepair(segment.conversationId, this.hasMembers(segment.conversationId) ? GAP_MS : 0);
    }
  }

  /** Messages up to this revision exist and were not received. */
  noteMissed(conversationId: number, revision: number): void {
    if ((this.revisionOf(conversationId) ?? Infinity) < revision) this.scheduleRepair(conversationId, 0, true);
  }

  /**
   * Everything up to this revision was delivered, this number of messages in addition to what was delivered before. The participant
   * is a member who is connected to this node.
   */
  advance(conversationId: number, revision: number, messages = 0, participantId?: number): void {
    const conversation = this.followed.get(conversationId);
    if (!conversation) {
      if (participantId !== undefined) this.addMembers(conversationId, [participantId], revision);
      return;
    }
    if (revision > conversation.revision + messages) this.reportEventRevisions(conversationId);
    setRevision(conversation, Math.max(conversation.revision, revision));
    this.deliverWaiting(conversation);
    if (conversation.waiting.length > 0) this.scheduleRepair(conversationId, GAP_MS);
  }

  private async load(participantId: number): Promise<void> {
    const { conversation_ids: ids, revisions } = (await this.memberships.find(participantId)) ?? NONE;
    this.byParticipant.set(participantId, new Set(ids));
    const behind = ids.filter((id, i) => this.addFollower(id, participantId, revisions[i]!) < revisions[i]!);
    if (behind.length > 0) await this.repair(behind);
  }

  /** A participant gets what comes after this revision. Returns the revision up to which the conversation was delivered here. */
  private addFollower(conversationId: number, participantId: number, revision: number): number {
    const known = this.followed.get(conversationId);
    if (known) {
      known.followers++;
      if (known.revision < revision) known.joined.set(participantId, revision);
      return known.revision;
    }
    this.followed.set(conversationId, {
      revision,
      eventRevision: revision,
      followers: 1,
      waiting: [],
      joined: new Map(),
      isRepairScheduled: false,
      isRepairForced: false,
    });
    return revision;
  }

  private forget(participantId: number): void {
    for (const id of this.byParticipant.get(participantId)!) {
      const conversation = this.followed.get(id)!;
      conversation.joined.delete(participantId);
      if (--conversation.followers === 0) this.followed.delete(id);
    }
    this.byParticipant.delete(participantId);
    this.unused.delete(participantId);
  }

  private hasMembers(conversationId: number): boolean {
    return this.members.versionOf(conversationId) !== null;
  }

  private isNext({ revision }: FollowedConversation, { conversationId, previous }: MessageSegment): boolean {
    return previous <= revision && this.hasMembers(conversationId);
  }

  private deliver(conversation: FollowedConversation, segment: MessageSegment): void {
    const { conversationId, first, senders, frames, oldFrames } = segment;
    const from = Math.max(0, conversation.revision - first + 1);
    if (first > conversation.revision + 1) this.reportEventRevisions(conversationId);
    const send = (receivers: number[], start: number, end?: number): void =>
      this.broadcaster.send(
        receivers,
        sliceFrames(frames, start, end),
        oldFrames && sliceFrames(oldFrames, start, end),
      );
    if (!this.members.hasBlocks(conversationId) && conversation.joined.size === 0)
      send(this.members.of(conversationId), from);
    else {
      for (let i = from; i < senders.length; i++) {
        const members = this.receiversOf(conversationId, first + i);
        const blockers = this.members.blockersOf(conversationId, senders[i]!);
        const receivers = blockers ? members.filter((id) => !blockers.has(id)) : members;
        send(receivers, i, i + 1);
      }
    }
    setRevision(conversation, lastRevision(segment));
  }

  private deliverWaiting(conversation: FollowedConversation): void {
    for (;;) {
      conversation.waiting = conversation.waiting.filter((segment) => lastRevision(segment) > conversation.revision);
      const next = conversation.waiting.find((segment) => this.isNext(conversation, segment));
      if (!next) return;
      this.deliver(conversation, next);
    }
  }

  /** `isForced`: also if no segment waits. */
  private scheduleRepair(conversationId: number, ms: number, isForced = false): void {
    const conversation = this.followed.get(conversationId);
    if (!conversation) return;
    conversation.isRepairForced ||= isForced;
    if (conversation.isRepairScheduled) return;
    conversation.isRepairScheduled = true;
    setTimeout(() => {
      const isNeeded = conversation.isRepairForced || conversation.waiting.length > 0;
      conversation.isRepairScheduled = false;
      conversation.isRepairForced = false;
      if (isNeeded) void this.repair([conversationId]);
    }, ms).unref();
  }
}

function setRevision(conversation: FollowedConversation, revision: number): void {
  conversation.revision = revision;
  for (const [id, joined] of conversation.joined) if (joined <= revision) conversation.joined.delete(id);
}

const NONE: Pick<MembershipRow, 'conversation_ids' | 'revisions'> = { conversation_ids: [], revisions: [] };
