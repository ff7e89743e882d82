import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../../audit/audit.service.js';
import { Clock } from '../../../common/clock.provider.js';
import { Config } from '../../../config/config.js';
import { returningRows } from '../../../database/statements/returning.js';
import { Problem, tokenProblem, validationFailed } from '../../../http/problems/problem.js';
import { actorOf, type Caller } from '../../../users/caller.js';
import { UsersService } from '../../../users/users.service.js';
import { ParticipantsService } from '../../connections/participants.service.js';
import { PushCandidatesService } from '../push-candidates.service.js';
import { isPushEndpoint } from './push-endpoint.js';
import { PushSenderService } from '../push-sender.service.js';
import { PushSubscription } from './push-subscription.entity.js';

const MAX_SUBSCRIPTIONS = 20;

/** The session must not end before the commit; no row: it has ended. */
const SAVE = `insert into push_subscriptions (id, user_id, session_id, endpoint, p256dh, auth, created_at)
  select $1, s.user_id, s.id, $4, $5, $6, $7 from sessions s where s.id = $3 and s.user_id = $2 for key share
  on conflict (endpoint) do update
  set session_id = excluded.session_id, p256dh = excluded.p256dh, auth = excluded.auth
  where push_subscriptions.user_id = excluded.user_id
  returning *`;

interface NewSubscription {
  endpoint: string;
  p256dh: Buffer;
  auth: Buffer;
}

/** The browsers in which users have turned pushes on. */
@Injectable()
export class PushSubscriptionsService {
  constructor(
    @InjectRepository(PushSubscription) private readonly subscriptions: Repository<PushSubscription>,
    private readonly users: UsersService,
    private readonly participants: ParticipantsService,
    private readonly candidates: PushCandidatesService,
    private readonly sender: PushSenderService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /** The key that browsers need to subscribe, in base64url. Throws `push_off`. */
  getPublicKey(): string {
    if (this.sender.publicKey === undefined) throw new Problem('push_off');
    return this.sender.publicKey;
  }

  /** The caller's subscriptions, oldest first. */
  list(caller: Caller): Promise<PushSubscription[]> {
    return this.subscriptions.find({ where: { user_id: caller.id }, order: { id: 'ASC' } });
  }

  /**
   * Registers the subscription of a browser for the session of the caller, or renews it. In a browser with another account than
   * before, it moves to the caller. Throws `push_off`, `validation_failed`, `too_many_push_subscriptions`, `push_endpoint_taken`.
   */
  async save(caller: Caller, { endpoint, ...keys }: NewSubscription): Promise<PushSubscription> {
    this.getPublicKey();
    if (!isPushEndpoint(endpoint, this.config.isProduction)) {
      const message = 'endpoint must be an https URL of a push service, with a public host and without a port';
      throw validationFailed([{ path: 'endpoint', message }]);
    }
    const subscription = { endpoint: new URL(endpoint).href, ...keys };
    const participantId = await this.participants.getId(caller.id);
    const saved = await this.subscriptions.manager.transaction(async (manager) => {
      await this.users.lockForUpdate(manager, caller.id); // requests at once must not exceed the limit
      await this.takeOver(manager, caller, subscription);
      return this.insert(manager, caller, subscription);
    });
    this.candidates.add(participantId);
    return saved;
  }

  /** Removes a subscription of the caller. Throws `push_subscription_not_found`. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.subscriptions.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(PushSubscription, { id, user_id: caller.id });
      if (affected === 0) throw new Problem('push_subscription_not_found');
      await this.write(manager, 'push_subscription.removed', caller, caller.id, id);
    });
  }

  /** Removes a subscription whose push service no longer knows it, or whose session has expired. */
  async removeDead(id: string): Promise<void> {
    await this.subscriptions.delete({ id });
  }

  /** A caller who has the keys of the subscription uses the same browser. The former user gets no more pushes there. */
  private async takeOver(manager: EntityManager, caller: Caller, subscription: NewSubscription): Promise<void> {
    const known = await manager.findOneBy(PushSubscription, { endpoint: subscription.endpoint });
    if (!known || known.user_id === caller.id) return;
    const { id, user_id, p256dh, auth } = known;
    if (!p256dh.equals(subscription.p256dh) || !auth.equals(subscription.auth))
      throw new Problem('push_endpoint_taken');
    const { affected } = await manager.delete(PushSubscription, { id, user_id });
    if (affected) await this.write(manager, 'push_subscription.removed', caller, user_id, id);
  }

  private async insert(
    manager: EntityManager,
    caller: Caller,
    { endpoint, p256dh, auth }: NewSubscription,
  ): Promise<PushSubscription> {
    const id = uuidv7();
    const values = [id, caller.id, caller.session_id, endpoint, p256dh, auth, this.clock.date()];
    const [saved] = await returningRows<PushSubscription>(manager, SAVE, values);
    if (!saved) throw await this.reasonOf(manager, endpoint);
    if (saved.id !== id) return saved;
    const count = await manager.countBy(PushSubscription, { user_id: caller.id });
    if (count > MAX_SUBSCRIPTIONS) throw new Problem('too_many_push_subscriptions');
    await this.write(manager, 'push_subscription.created', caller, caller.id, id);
    return saved;
  }

  /** Another user has taken the endpoint since, or the session has ended. */
  private async reasonOf(manager: EntityManager, endpoint: string): Promise<Problem> {
    const isTaken = await manager.existsBy(PushSubscription, { endpoint });
    return isTaken ? new Problem('push_endpoint_taken') : tokenProblem('invalid_token');
  }

  private async write(
    manager: EntityManager,
    action: 'push_subscription.created' | 'push_subscription.removed',
    caller: Caller,
    subject_id: string,
    id: string,
  ): Promise<void> {
    const details = { push_subscription_id: id };
    await this.audit.write(manager, { action, ...actorOf(caller), subject_id, details });
  }
}
