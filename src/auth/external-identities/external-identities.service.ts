import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import type { Device } from '../sessions/device.js';
import type { SessionDto } from '../sessions/sessions.dto.js';
import { SignInService } from '../sign-in.service.js';
import { Problem, tokenProblem } from '../../http/problem.js';
import { SIGN_IN_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import { ExternalAccountsService } from './external-accounts.service.js';
import { ExternalIdentity } from './external-identity.entity.js';
import type { TokenExchangeDto, LinkIdentityDto } from './external-identities.dto.js';
import { type Identity, IdentityProvider } from './identity-provider.js';
import { SignInMethodsService } from '../sign-in-methods.service.js';

const isRefusal = (error: unknown): error is Problem => error instanceof Problem && error.getStatus() === 401;

@Injectable()
export class ExternalIdentitiesService {
  constructor(
    @InjectRepository(ExternalIdentity) private readonly identities: Repository<ExternalIdentity>,
    private readonly provider: IdentityProvider,
    private readonly accounts: ExternalAccountsService,
    private readonly ways: SignInMethodsService,
    private readonly signIns: SignInService,
    private readonly quotas: QuotasService,
    private readonly reauthentication: ReauthenticationService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Signs in by a token of an identity provider; who has not been here gets an account. Raises `invalid_token`, for
   * deactivated users, too, `token_expired`, `two_step_required`, `unknown_identity_provider`,
   * `identity_provider_unavailable`, `rate_limited`.
   */
  async exchange({ token, provider }: TokenExchangeDto, device: Device): Promise<SessionDto> {
    await this.quotas.consume(SIGN_IN_QUOTA);
    const identity = await this.identify(token, provider);
    const { issuer } = identity;
    const id = await this.accounts.userOf(identity);
    const session = await this.signIns.openSession({ userId: id }, device, { issuer });
    if (session) return session;
    await this.refused({ issuer, reason: 'deactivated' }, id);
    throw tokenProblem('invalid_token');
  }

  /** Oldest first. */
  list({ id: user_id }: Caller): Promise<ExternalIdentity[]> {
    return this.identities.find({ where: { user_id }, order: { id: 'ASC' } });
  }

  /**
   * Lets the caller sign in by this identity, too; again is fine. Raises what asking again raises, `identity_taken`, `identity_token_refused` (a 401
   * would be about the caller's own token), `unknown_identity_provider`, `identity_provider_unavailable`.
   */
  async link(caller: Caller, { token, provider, current_password }: LinkIdentityDto): Promise<ExternalIdentity> {
    const proof = await this.reauthentication.verify(caller, current_password);
    const identity = await this.provider.identify(token, provider).catch((error: unknown) => {
      throw isRefusal(error) ? new Problem('identity_token_refused', { cause: error }) : error;
    });
    const { issuer, subject } = identity;
    const mine =
      (await this.accounts.link(caller, identity, proof)) ??
      (await this.identities.findOneBy({ issuer, subject, user_id: caller.id }));
    if (!mine) throw new Problem('identity_taken');
    return mine;
  }

  /** Raises `identity_not_found`, `last_way_to_sign_in`. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.identities.manager.transaction((manager) => this.unlink(manager, caller, id));
  }

  private async unlink(manager: EntityManager, caller: Caller, id: string): Promise<void> {
    await this.ways.lock(manager, caller.id);
    const identity = await manager.findOneBy(ExternalIdentity, { id, user_id: caller.id });
    if (!identity) throw new Problem('identity_not_found');
    await manager.delete(ExternalIdentity, id);
    await this.ways.assertOneIsLeft(manager, caller.id);
    const details = { identity_id: id, issuer: identity.issuer };
    await this.audit.write(manager, {
      action: 'identity.unlinked',
      ...actorOf(caller),
      subject_id: caller.id,
      details,
    });
  }

  private async identify(token: string, provider?: string): Promise<Identity> {
    try {
      return await this.provider.identify(token, provider);
    } catch (error) {
      if (isRefusal(error)) await this.refused({ reason: error.code });
      throw error;
    }
  }

  private refused(details: object, subject_id: string | null = null): Promise<void> {
    const event = { action: 'session.refused', subject_id, succeeded: false, details } as const;
    return this.audit.write(this.identities.manager, event);
  }
}
