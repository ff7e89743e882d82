import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Problem } from '../../http/problem.js';
import { KNOWN_DEVICE_BACKOFF, LOGIN_BACKOFF } from '../../rate-limit/backoff-policies.js';
import { BackoffService } from '../../rate-limit/backoff.service.js';
import { SIGN_IN_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import type { TwoFactorSignInDto } from '../two-factor/two-factor.dto.js';
import { type VerifiedCredential, TwoFactorSignInService } from '../two-factor/two-factor-sign-in.service.js';
import { PasswordsService } from '../passwords/passwords.service.js';
import { User } from '../../users/user.entity.js';
import { normaliseLogin } from '../../users/users.dto.js';
import { UsersService } from '../../users/users.service.js';
import type { Device } from './device.js';
import type { SessionDto, SignInDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';
import { TokensService } from '../tokens/tokens.service.js';

/** The door that passwords open, and the second one behind it. */
@Injectable()
export class SignInService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly usersService: UsersService,
    private readonly passwords: PasswordsService,
    private readonly sessions: SessionsService,
    private readonly twoFactor: TwoFactorSignInService,
    private readonly tokens: TokensService,
    private readonly backoff: BackoffService,
    private readonly quotas: QuotasService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Signs in by username or e-mail. An unknown user, a wrong password and a deactivated user look and cost the same, and
   * whether there is a second step shows to those alone who know the password. Any token of an earlier session, in the
   * place of the caller's, tells that the device is known. Raises `invalid_credentials`, `two_step_required`,
   * `rate_limited`.
   */
  async signIn({ login, password }: SignInDto, device: Device, earlierToken?: string): Promise<SessionDto> {
    const name = normaliseLogin(login);
    const user = await this.findByLogin(name);
    const isKnown = await this.isOf(user, earlierToken);
    const attempt = await (isKnown
      ? this.backoff.reserve(KNOWN_DEVICE_BACKOFF, user!.id)
      : this.backoff.reserve(LOGIN_BACKOFF, name));
    const session = await attempt.releaseOnError(this.open(user, password, device));
    if (session) {
      await attempt.succeed();
      if (isKnown) await this.backoff.reset(LOGIN_BACKOFF, name);
      return session;
    }
    await attempt.fail();
    const subject_id = user?.id ?? null;
    const { manager } = this.users;
    await this.audit.write(manager, { action: 'session.refused', subject_id, succeeded: false });
    if (attempt.isLockingFailure) await this.audit.write(manager, { action: 'user.locked', subject_id });
    throw new Problem('invalid_credentials');
  }

  /** The second step. Raises `invalid_challenge`, `wrong_code`, `too_many_codes`, `rate_limited`. */
  async signInWithCode(dto: TwoFactorSignInDto, device: Device): Promise<SessionDto> {
    await this.quotas.consume(SIGN_IN_QUOTA);
    const proven = await this.twoFactor.redeem(dto);
    const session = await this.sessions.open({ ...proven, isTwoFactorVerified: true }, device, { by: 'two-step' });
    if (!session) throw new Problem('invalid_challenge'); // deactivated, or given another password, just now
    await this.usersService.forgetFailures(session.user);
    return session;
  }

  /** Opens a session for whoever has taken the first step, or asks for the second. Raises `two_step_required`. */
  async enter(proven: VerifiedCredential, device: Device, details = {}): Promise<SessionDto | null> {
    await this.twoFactor.require(proven);
    return this.sessions.open(proven, device, details);
  }

  private async open(user: User | null, password: string, device: Device): Promise<SessionDto | null> {
    const isRight = await this.passwords.verify(password, user?.password_hash);
    const by = 'password';
    return isRight && user?.is_active ? this.enter(await this.rehashed(user, password), device, { by }) : null;
  }

  private findByLogin(name: string): Promise<User | null> {
    const where = name.includes('@') ? { email: name } : { username: name };
    return this.users.findOne({ where, select: { id: true, is_active: true, password_hash: true } });
  }

  /** Whether this is a token of ours, of any age, of this very user. */
  private async isOf(user: User | null, token: string | undefined): Promise<boolean> {
    const claims = token === undefined ? null : await this.tokens.read(token).catch(() => null);
    return user !== null && claims?.sub === user.id;
  }

  /** The one moment at which the password is at hand to hash it at a cost that has risen. */
  private async rehashed(user: User, password: string): Promise<User> {
    const { id, password_hash } = user;
    if (password_hash === null || !this.passwords.isOutdated(password_hash)) return user;
    const next = await this.passwords.hash(password);
    const { affected } = await this.users.update({ id, password_hash }, { password_hash: next });
    return affected === 1 ? { ...user, password_hash: next } : user;
  }
}
