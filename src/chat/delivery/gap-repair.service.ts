import { Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusService } from '../../bus/bus.service.js';
import { type ConnectionListener, ConnectionsService } from '../connections/connections.service.js';
import { successText } from '../protocol/responses.js';
import { FollowedConversationsService, GAP_MS } from './followed-conversations.service.js';
import { type JoinedRow, MembershipsService } from './memberships.service.js';
import { MissedMessagesService } from './missed-messages.service.js';

/** Participants whose conversations one query compares. */
const MAX_PARTICIPANTS = 500;
/** The sweep compares all conversations in this number of ticks of 500 ms. */
const SWEEP_TICKS = 60;
const RETRY_MS = 500;
const MAX_RETRIES = 60;
/** A conversation that was just created is announced by then. */
const ANNOUNCED_MS = 1_000;

/**
 * The one way in which lost messages are found: compares the revisions of followed conversations with those in the database, and
 * delivers what is missing. It runs for one conversation when there is a gap, for a partition or for all when the bus reports a
 * loss, and slowly for everything.
 */
@Injectable()
export class GapRepairService implements ConnectionListener {
  private readonly log = new Logger(GapRepairService.name);
  private readonly lost = new Set<number | undefined>();
  private isRepairing = false;
  private isSweeping = false;
  private sweep: Iterator<number> | undefined;

  constructor(
    private readonly bus: BusService,
    private readonly connections: ConnectionsService,
    private readonly followed: FollowedConversationsService,
    private readonly memberships: MembershipsService,
    private readonly missed: MissedMessagesService,
  ) {
    if (!bus.isShared) return;
    connections.addListener(this);
    followed.repairWith((ids) => this.repair(ids));
    bus.onLoss((partition) => void this.onLoss(partition));
  }

  onTick(): void {
    if (!this.isSweeping) void this.sweepNext();
  }

  /** Delivers what these conversations have missed, also if the database is unavailable for a while. Never rejects. */
  async repair(conversationIds: number[]): Promise<void> {
    for (let attempt = 0; attempt < MAX_RETRIES; attempt++) {
      try {
        return await this.missed.deliver(conversationIds);
      } catch (error) {
        this.log.warn(`Reading missed messages failed (${(error as Error).message}); retrying in ${RETRY_MS} ms`);
        await sleep(RETRY_MS);
      }
    }
  }

  /**
   * Reads a membership of these participants whose announcement was too long for the bus, and tells those who are connected here.
   * Never rejects: if it fails, the sweep finds the membership.
   */
  async announceMembers(conversationId: number, participantIds: number[]): Promise<void> {
    const connected = participantIds.filter((id) => this.connections.isConnected(id));
    await this.join(connected.map((id) => [id, conversationId])).catch(() => undefined);
  }

  private async onLoss(partition: number | undefined): Promise<void> {
    this.lost.add(partition);
    if (this.isRepairing) return;
    this.isRepairing = true;
    await sleep(GAP_MS); // reports of one cause form one repair
    while (this.lost.size > 0) {
      const partitions = this.lost.has(undefined) ? [undefined] : [...this.lost];
      this.lost.clear();
      try {
        for (const each of partitions) await this.compareAll(each);
      } catch (error) {
        this.log.warn(`Looking for missed messages failed (${(error as Error).message}); retrying in ${RETRY_MS} ms`);
        for (const each of partitions) this.lost.add(each);
        await sleep(RETRY_MS);
      }
    }
    this.isRepairing = false;
  }

  private async compareAll(partition: number | undefined): Promise<void> {
    const participants = [...this.followed.participants];
    for (let i = 0; i < participants.length; i += MAX_PARTICIPANTS) {
      await this.compare(participants.slice(i, i + MAX_PARTICIPANTS), partition);
    }
  }

  private async sweepNext(): Promise<void> {
    const count = Math.min(MAX_PARTICIPANTS, Math.ceil(this.followed.participantCount / SWEEP_TICKS));
    this.sweep ??= this.followed.participants[Symbol.iterator]();
    const participants: number[] = [];
    while (participants.length < count) {
      const next = this.sweep.next();
      if (next.done) {
        this.sweep = undefined;
        break;
      }
      participants.push(next.value);
    }
    if (participants.length === 0) return;
    this.isSweeping = true;
    await this.compare(participants).catch(() => undefined); // the next sweep finds it
    this.isSweeping = false;
  }

  /** Compares the conversations of these participants with the database. What arrives within 30 ms is not missed. */
  private async compare(participants: number[], partition?: number): Promise<void> {
    const part = partition === undefined ? undefined : { remainder: partition, divisor: this.bus.partitions };
    const rows = await this.memberships.list(participants, part);
    const behind = new Map<number, number>();
    const unknown: [number, number][] = [];
    for (const { id, conversation_ids, revisions } of rows) {
      for (const [i, conversationId] of conversation_ids.entries()) {
        if (!this.followed.isMember(Number(id), conversationId)) unknown.push([Number(id), conversationId]);
        else if (this.followed.revisionOf(conversationId)! < revisions[i]!) behind.set(conversationId, revisions[i]!);
      }
    }
    if (unknown.length > 0) setTimeout(() => void this.join(unknown).catch(() => undefined), ANNOUNCED_MS).unref();
    if (behind.size === 0) return;
    await sleep(GAP_MS);
    const ids = [...behind].filter(([id, revision]) => (this.followed.revisionOf(id) ?? Infinity) < revision);
    await this.repair(ids.map(([id]) => id));
  }

  /** Announces memberships whose announcement was lost. */
  private async join(pairs: [participantId: number, conversationId: number][]): Promise<void> {
    const unknown = pairs.filter(([id, conversationId]) => !this.followed.isMember(id, conversationId));
    if (unknown.length === 0) return;
    for (const row of await this.memberships.listJoined(unknown)) {
      if (this.followed.isMember(row.participant_id, row.conversation_id)) continue;
      this.followed.addMembers(row.conversation_id, [row.participant_id], row.revision);
      if (row.is_creation) this.announce(row);
    }
  }

  private announce({ participant_id, conversation_id: id, name, members }: JoinedRow): void {
    const text = successText('create_conversation', { id, name, members: members ?? [] });
    for (const connection of this.connections.of(participant_id)) connection.send(text);
  }
}
