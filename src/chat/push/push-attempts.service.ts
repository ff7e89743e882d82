import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import { SessionsService } from '../../auth/sessions/sessions.service.js';
import { causeMessage } from '../../common/cause-message.js';
import { Clock } from '../../common/clock.provider.js';
import { deriveKey, keyedHash } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';
import { POOL } from '../../database/connections/pool.js';
import { LabelCounts } from '../../metrics/counts.js';
import { DELETED_USER } from '../protocol/placeholders.js';
import { type ClaimedDelivery, POSTPONE, REMOVE, RENEW } from './push-deliveries.js';
import { type PushAnswer, PushSenderService } from './push-sender.service.js';
import { PushSubscriptionsService } from './subscriptions/push-subscriptions.service.js';

const MAX_TEXT = 120;
const FIRST_BACKOFF_MS = 30_000;
const MAX_BACKOFF_MS = 3_600_000;

const RESULTS = ['sent', 'dropped', 'gone', 'retried', 'failed'] as const;
type Result = (typeof RESULTS)[number];

interface Failure {
  reason: string;
  isTemporary: boolean;
  retryAfterMs?: number | undefined;
}

/** The delay before the next attempt: doubles from 30 s up to 1 h. */
const backoffAfter = (attempts: number): number => Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), MAX_BACKOFF_MS);

/** Attempts to send claimed pushes, and records the results. */
@Injectable()
export class PushAttemptsService {
  readonly results = new LabelCounts<Result>('result', RESULTS);
  private readonly log = new Logger('Push');
  private readonly topicKey: Buffer;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly sender: PushSenderService,
    private readonly subscriptions: PushSubscriptionsService,
    private readonly sessions: SessionsService,
    private readonly clock: Clock,
    { SECRET_KEY }: Config,
  ) {
    this.topicKey = deriveKey(SECRET_KEY, 'push topics');
  }

  /**
   * Sends deliveries to one subscription, one after the other, until one fails. Returns whether one of them has been replaced by a
   * later message meanwhile, which is due. Rejects if the database cannot be used.
   */
  async send(deliveries: ClaimedDelivery[]): Promise<boolean> {
    const { session_id, subscription_id } = deliveries[0]!;
    if (!(await this.sessions.findLive([session_id])).has(session_id)) {
      await this.subscriptions.removeDead(subscription_id);
      this.results.add('gone');
      return false;
    }
    let isMoreDue = false;
    for (const [i, delivery] of deliveries.entries()) {
      const result = delivery.is_wanted ? await this.attempt(delivery, deliveries.slice(i)) : 'dropped';
      this.results.add(result);
      if (result === 'gone' || result === 'retried') return isMoreDue;
      isMoreDue = (await this.settle(delivery)) || isMoreDue;
    }
    return isMoreDue;
  }

  /** `waiting`: this delivery and those that were claimed with it. */
  private async attempt(delivery: ClaimedDelivery, waiting: ClaimedDelivery[]): Promise<Result> {
    let answer: PushAnswer;
    try {
      answer = await this.transmit(delivery);
    } catch (error) {
      return this.recordFailure(delivery, waiting, { reason: causeMessage(error), isTemporary: true });
    }
    const { status, retryAfterMs } = answer;
    if (status >= 200 && status < 300) return 'sent';
    if (status === 404 || status === 410) {
      await this.subscriptions.removeDead(delivery.subscription_id);
      return 'gone';
    }
    const isTemporary = status === 429 || status >= 500;
    return this.recordFailure(delivery, waiting, { reason: `HTTP ${status}`, isTemporary, retryAfterMs });
  }

  private async recordFailure(
    { subscription_id, endpoint, attempts, expires_at }: ClaimedDelivery,
    waiting: ClaimedDelivery[],
    { reason, isTemporary, retryAfterMs = 0 }: Failure,
  ): Promise<Result> {
    const delay = Math.max(backoffAfter(attempts), retryAfterMs);
    const next = this.clock.now() + delay;
    const isFinal = !isTemporary || next >= expires_at.getTime();
    const consequence = isFinal ? 'no further attempt' : `retrying in ${Math.round(delay / 1000)} s`;
    const { hostname } = new URL(endpoint);
    this.log.warn(`Sending a push to ${hostname} failed (${reason}), attempt ${attempts}; ${consequence}`);
    if (isFinal) return 'failed';
    const conversationIds = waiting.map(({ conversation_id }) => conversation_id);
    await this.pool.query(POSTPONE, [subscription_id, new Date(next), conversationIds]);
    return 'retried';
  }

  private transmit(delivery: ClaimedDelivery): Promise<PushAnswer> {
    const { subscription_id, conversation_id, expires_at } = delivery;
    const topic = keyedHash(this.topicKey, subscription_id, conversation_id).toString('base64url').slice(0, 32);
    const ttl = Math.ceil((expires_at.getTime() - this.clock.now()) / 1000);
    return this.sender.send(delivery, { content: contentOf(delivery), ttl, topic });
  }

  /** Returns whether a later message has replaced the one that was sent. */
  private async settle({ subscription_id, conversation_id, attempts, message_id }: ClaimedDelivery): Promise<boolean> {
    const key = [subscription_id, conversation_id, attempts];
    if ((await this.pool.query(REMOVE, [...key, message_id])).rowCount === 1) return false;
    return (await this.pool.query(RENEW, [...key, this.clock.date()])).rowCount === 1;
  }
}

/** What the service worker of a front end gets; `PushContent` of the client describes it. */
const contentOf = ({ conversation_id, title, message_id, sender_username, content }: ClaimedDelivery): object => ({
  type: 'message',
  conversation_id: Number(conversation_id),
  conversation_name: title,
  message_id: Number(message_id),
  sender_username: sender_username ?? DELETED_USER,
  text: [...content].slice(0, MAX_TEXT).join(''),
});
