import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { SIGN_IN_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import { SecurityMailsService } from '../security-mails/security-mails.service.js';
import type { Device } from '../sessions/device.js';
import type { SessionDto } from '../sessions/sessions.dto.js';
import { signInResults } from '../sign-in-results.js';
import { SignInService } from '../sign-in.service.js';
import { SignInMethodsService } from '../sign-in-methods.service.js';
import { TwoFactorChallenge } from '../two-factor/two-factor-challenge.entity.js';
import { ExternalAccountsService } from './external-accounts.service.js';
import type { LinkIdentityDto, TokenExchangeDto } from './external-identities.dto.js';
import { ExternalIdentity } from './external-identity.entity.js';
import { type Identity, IdentityProvider } from './identity-provider.js';

/** Signs users in with external identities, links and unlinks them. */
@Injectable()
export class ExternalIdentitiesService {
  private readonly results;

  constructor(
    @InjectRepository(ExternalIdentity) private readonly identities: Repository<ExternalIdentity>,
    private readonly provider: IdentityProvider,
    private readonly accounts: ExternalAccountsService,
    private readonly signInMethods: SignInMethodsService,
    private readonly signIns: SignInService,
    private readonly quotas: QuotasService,
    private readonly reauthentication: ReauthenticationService,
    private readonly audit: AuditService,
    private readonly mails: SecurityMailsService,
    metrics: MetricsService,
  ) {
    this.results = signInResults(metrics);
  }

  /**
   * Signs in with a token of an identity provider, and creates the user at the first sign-in. Throws `invalid_token` (also
   * for deactivated users), `token_expired`, `two_step_required`, `unknown_identity_provider`,
   * `identity_provider_unavailable`, `rate_limited`.
   */
  exchange(dto: TokenExchangeDto, device: Device): Promise<SessionDto> {
    return this.results.watch(this.identifyAndOpen(dto, device), { method: 'external_identity' });
  }

  private async identifyAndOpen({ token, provider }: TokenExchangeDto, device: Device): Promise<SessionDto> {
    await this.quotas.consume(SIGN_IN_QUOTA);
    const identity = await this.identify(token, provider);
    const { issuer } = identity;
    const { id: identityId, user_id: userId } = await this.accounts.findOrCreate(identity);
    const session = await this.signIns.openSession({ userId, identityId }, device, { issuer });
    if (session) return session;
    await this.recordRefusal({ issuer, reason: 'deactivated' }, userId);
    throw tokenProblem('invalid_token');
  }

  /** The caller's external identities, oldest first. */
  list({ id: user_id }: Caller): Promise<ExternalIdentity[]> {
    return this.identities.find({ where: { user_id }, order: { id: 'ASC' } });
  }

  /**
   * Links an external identity to the caller; linking it again succeeds. Throws `identity_taken`, `wrong_password`,
   * `sign_in_again`, `identity_token_refused` (not a 401, which would be about the caller's own token),
   * `unknown_identity_provider`, `identity_provider_unavailable`.
   */
  async link(caller: Caller, { token, provider, current_password }: LinkIdentityDto): Promise<ExternalIdentity> {
    const credential = await this.reauthentication.verify(caller, current_password);
    const identity = await this.provider.identify(token, provider).catch((error: unknown) => {
      throw isTokenRefusal(error) ? new Problem('identity_token_refused', { cause: error }) : error;
    });
    const linked = await this.accounts.link(caller, identity, credential);
    if (linked) return linked;
    const { issuer, subject } = identity;
    const existing = await this.identities.findOneBy({ issuer, subject, user_id: caller.id });
    if (!existing) throw new Problem('identity_taken');
    return existing;
  }

  /**
   * Unlinks one of the caller's identities. Throws `identity_not_found`, `last_way_to_sign_in`, `wrong_password`,
   * `sign_in_again`.
   */
  async remove(caller: Caller, id: string, currentPassword: string | undefined): Promise<void> {
    const credential = await this.reauthentication.verify(caller, currentPassword);
    await this.identities.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      const identity = await manager.findOneBy(ExternalIdentity, { id, user_id: caller.id });
      if (!identity) throw new Problem('identity_not_found');
      await manager.delete(ExternalIdentity, id);
      await manager.delete(TwoFactorChallenge, { user_id: caller.id }); // one may have begun with the identity
      await this.signInMethods.assertNotLast(manager, caller.id);
      const entry = { ...actorOf(caller), subject_id: caller.id };
      const details = { identity_id: id, issuer: identity.issuer };
      await this.audit.write(manager, { action: 'identity.unlinked', ...entry, details });
      await this.mails.send(manager, caller.id, 'identity_unlinked');
    });
  }

  private async identify(token: string, provider?: string): Promise<Identity> {
    try {
      return await this.provider.identify(token, provider);
    } catch (error) {
      if (isTokenRefusal(error)) await this.recordRefusal({ reason: error.code });
      throw error;
    }
  }

  private recordRefusal(details: object, subject_id: string | null = null): Promise<void> {
    const entry = { action: 'session.refused', subject_id, succeeded: false, details } as const;
    return this.audit.write(this.identities.manager, entry);
  }
}

const isTokenRefusal = (error: unknown): error is Problem => error instanceof Problem && error.getStatus() === 401;
