import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AsyncResource } from 'node:async_hooks';
import type { Pool } from 'pg';
import { BusService } from '../../bus/bus.service.js';
import { POOL } from '../../database/connections/pool.js';
import { MemberCacheService } from '../delivery/member-cache.service.js';
import { PresenceService } from '../presence/presence.service.js';
import { mentionsIn } from './mentions.js';
import { PushSenderService } from './push-sender.service.js';

const KIND = 'push-subscribed';
/**
 * Reload interval. Finds subscriptions whose announcement by another node was lost, and drops participants without subscriptions.
 */
const RELOAD_MS = 60_000;

const SELECT_SUBSCRIBED = `select distinct p.id from push_subscriptions s join participants p on p.user_id = s.user_id`;

/** A message that is about to be stored. */
interface Candidate {
  conversation_id: number;
  /** Participant id. */
  sender_id: number;
  content: string;
  nonce: string;
}

/** Columns of messages that may have to be pushed: nonces, conversations, and the names that each mentions, separated by spaces. */
export type PushColumns = [nonces: string[], conversationIds: number[], mentions: string[]];

/**
 * Decides, without a query, which messages are stored together with a note for `PushWorker`: those that may concern an offline
 * user with a subscription. The worker decides again by the database, so a message that is noted needlessly only costs a little
 * time.
 */
@Injectable()
export class PushCandidatesService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(PushCandidatesService.name);
  /** Participants with a subscription. Undefined until they are loaded; until then, any participant may have one. */
  private subscribed: Set<number> | undefined;
  private addedWhileLoading = new Set<number>();
  private timer: NodeJS.Timeout | undefined;
  private notify: () => void = () => undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly bus: BusService,
    private readonly members: MemberCacheService,
    private readonly presence: PresenceService,
    private readonly sender: PushSenderService,
  ) {
    bus.onItem(KIND, (participantId: number) => this.addHere(participantId));
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.sender.publicKey === undefined) return;
    await this.load();
    this.timer = setInterval(() => void this.load(), RELOAD_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Sets the function to call after messages were stored with a note. It runs outside the request. */
  whenNoted(notify: () => void): void {
    this.notify = AsyncResource.bind(notify);
  }

  /** To be called after the commit of a subscription. */
  add(participantId: number): void {
    this.addHere(participantId);
    this.bus.send(participantId, { kind: KIND, head: participantId });
  }

  /** Undefined if none of the messages has to be pushed. */
  select(messages: Candidate[]): PushColumns | undefined {
    if (this.sender.publicKey === undefined || this.subscribed?.size === 0) return undefined;
    const columns: PushColumns = [[], [], []];
    for (const message of messages) {
      const mentions = mentionsIn(message.content);
      if (mentions.length === 0 && !this.isDirect(message)) continue;
      columns[0].push(message.nonce);
      columns[1].push(message.conversation_id);
      columns[2].push(mentions.join(' '));
    }
    return columns[0].length > 0 ? columns : undefined;
  }

  /** To be called after the commit of messages with a note. */
  noted(): void {
    this.notify();
  }

  /**
   * Whether a message may be for a single other member who is not connected here. The members are those of the last append of this
   * node: one who was alone then may have got company.
   */
  private isDirect({ conversation_id, sender_id }: Candidate): boolean {
    const members = this.members.of(conversation_id);
    if (members.length !== 2) return members.length < 2;
    return members.some((id) => id !== sender_id && this.mayBeSubscribed(id) && !this.presence.isOnlineHere(id));
  }

  private mayBeSubscribed(participantId: number): boolean {
    return this.subscribed?.has(participantId) ?? true;
  }

  private addHere(participantId: number): void {
    this.subscribed?.add(participantId);
    this.addedWhileLoading.add(participantId);
  }

  private async load(): Promise<void> {
    this.addedWhileLoading = new Set();
    try {
      const { rows } = await this.pool.query<{ id: string }>(SELECT_SUBSCRIBED);
      this.subscribed = new Set([...rows.map(({ id }) => Number(id)), ...this.addedWhileLoading]);
    } catch (error) {
      this.log.warn(
        `Loading push subscriptions failed (${(error as Error).message}); retrying in ${RELOAD_MS / 1000} s`,
      );
    }
  }
}
