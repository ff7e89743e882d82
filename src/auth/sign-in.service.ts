import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditService } from '../audit/audit.service.js';
import { Problem } from '../http/problems/problem.js';
import { MetricsService } from '../metrics/metrics.service.js';
import { KNOWN_DEVICE_BACKOFF, LOGIN_BACKOFF } from '../rate-limit/backoff-policies.js';
import { type BackoffAttempt, BackoffService } from '../rate-limit/backoff.service.js';
import { normaliseLogin } from '../users/users.dto.js';
import { type StoredCredentials, UsersService } from '../users/users.service.js';
import { PasswordChecksService } from './passwords/password-checks.service.js';
import { isMethodPresent } from './is-method-present.js';
import { PasswordFailuresService } from './passwords/password-failures.service.js';
import { PasswordHasherService } from './passwords/password-hasher.service.js';
import { PasswordSignIn } from './recovery/password-sign-in.entity.js';
import { TokensService } from './tokens/tokens.service.js';
import { TwoFactorSignInService } from './two-factor/two-factor-sign-in.service.js';
import type { TwoFactorSignInDto } from './two-factor/two-factor.dto.js';
import { signInResults } from './sign-in-results.js';
import type { VerifiedCredential } from './verified-credential.js';
import type { Device } from './sessions/device.js';
import type { Session } from './sessions/session.entity.js';
import type { SessionDto, SignInDto } from './sessions/sessions.dto.js';
import { SessionsService } from './sessions/sessions.service.js';

/** Signs users in by password and two-factor code, and opens sessions for all other verified credentials. */
@Injectable()
export class SignInService {
  private readonly results;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly users: UsersService,
    private readonly passwords: PasswordChecksService,
    private readonly hasher: PasswordHasherService,
    private readonly failures: PasswordFailuresService,
    private readonly sessions: SessionsService,
    private readonly twoFactor: TwoFactorSignInService,
    private readonly tokens: TokensService,
    private readonly backoff: BackoffService,
    private readonly audit: AuditService,
    metrics: MetricsService,
  ) {
    this.results = signInResults(metrics);
  }

  /**
   * Signs in by username or e-mail address. Unknown users, wrong passwords and deactivated users get the same response at the
   * same cost, and only the correct password reveals that two-factor authentication is on. `earlierTokens` are tokens of
   * earlier sessions, that the client sends: a token of the same user proves a known device, whose failures are counted
   * separately. Throws `invalid_credentials`, `two_step_required`, `rate_limited`, `busy`.
   */
  signIn(dto: SignInDto, device: Device, earlierTokens: string[] = []): Promise<SessionDto> {
    const name = normaliseLogin(dto.login);
    const session = this.hasher.admitSignIn(name, () =>
      this.signInWithPassword(name, dto.password, device, earlierTokens),
    );
    return this.results.watch(session, { method: 'password' });
  }

  /**
   * Completes a sign-in by a two-factor code or a recovery code. Throws `invalid_challenge`, `wrong_code`,
   * `too_many_codes`, `rate_limited`.
   */
  signInWithCode(dto: TwoFactorSignInDto, device: Device): Promise<SessionDto> {
    return this.results.watch(this.completeWithCode(dto, device), { method: 'two_factor' });
  }

  /**
   * Opens a session for a verified credential; `details` are added to the audit event. Null if the user was deactivated
   * or deleted, or changed the password, removed the passkey or identity or turned two-factor authentication on, after the
   * credential was verified.
   * Throws `two_step_required`.
   */
  async openSession(credential: VerifiedCredential, device: Device, details: object): Promise<SessionDto | null> {
    if (!credential.isTwoFactorVerified) await this.twoFactor.require(credential);
    const session = await this.dataSource.transaction(async (manager) => {
      if (!(await isMethodPresent(manager, credential))) return null;
      const opened = await this.sessions.open(manager, credential, device, details);
      if (opened && credential.isPasswordVerified) await this.recordPasswordSignIn(manager, opened);
      return opened;
    });
    return session && this.sessions.issueTokens(session);
  }

  private async signInWithPassword(
    name: string,
    password: string,
    device: Device,
    earlierTokens: string[],
  ): Promise<SessionDto> {
    const user = await this.users.findCredentials(name);
    const earlierUsers = earlierTokens.map((token) => this.tokens.find(token)?.sub); // also without a user, so that both cost the same
    const isKnownDevice = user !== null && earlierUsers.includes(user.id);
    const attempt = isKnownDevice
      ? await this.backoff.reserve(KNOWN_DEVICE_BACKOFF, user.id)
      : await this.backoff.reserve(LOGIN_BACKOFF, name);
    const session = await attempt.releaseOnError(this.openWithPassword(user, name, password, device));
    if (!session) return this.refuse(user, attempt);
    await attempt.succeed();
    if (isKnownDevice) await this.backoff.reset(LOGIN_BACKOFF, name);
    return session;
  }

  private async completeWithCode(dto: TwoFactorSignInDto, device: Device): Promise<SessionDto> {
    const credential = await this.twoFactor.redeem(dto);
    const session = await this.openSession(credential, device, { by: 'two-step' });
    if (!session) throw new Problem('invalid_challenge'); // deactivated or password changed in the meantime
    await this.failures.reset(session.user);
    return session;
  }

  /** Locks no row of the user, so that concurrent sign-ins cannot deadlock. */
  private async recordPasswordSignIn(manager: EntityManager, { user_id, created_at }: Session): Promise<void> {
    await manager.upsert(PasswordSignIn, { user_id, last_at: created_at }, ['user_id']);
  }

  private async openWithPassword(
    user: StoredCredentials | null,
    login: string,
    password: string,
    device: Device,
  ): Promise<SessionDto | null> {
    const isCorrect = await this.passwords.verify(password, user?.password_hash, user?.id ?? login); // also without a user, so that both cost the same
    if (!isCorrect || !user?.is_active) return null;
    const passwordHash = await this.rehashIfOutdated(user, password);
    return this.openSession({ userId: user.id, passwordHash, isPasswordVerified: true }, device, { by: 'password' });
  }

  /** Hashes the password at the configured cost if that has risen: only a sign-in has the password. Returns the hash. */
  private async rehashIfOutdated({ id, password_hash }: StoredCredentials, password: string): Promise<string | null> {
    if (password_hash === null || !this.hasher.isOutdated(password_hash)) return password_hash;
    const newHash = await this.hasher.hash(password, id);
    const isReplaced = await this.users.replacePasswordHash(id, password_hash, newHash);
    return isReplaced ? newHash : password_hash;
  }

  private async refuse(user: StoredCredentials | null, attempt: BackoffAttempt): Promise<never> {
    await attempt.fail();
    const subject_id = user?.id ?? null;
    const { manager } = this.dataSource;
    await this.audit.write(manager, { action: 'session.refused', subject_id, succeeded: false });
    if (attempt.isLockingFailure) await this.audit.write(manager, { action: 'user.locked', subject_id });
    throw new Problem('invalid_credentials');
  }
}
