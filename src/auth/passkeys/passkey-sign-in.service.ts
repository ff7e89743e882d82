import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import type { AuditAction } from '../../audit/audit.actions.js';
import { AuditService } from '../../audit/audit.service.js';
import type { Device } from '../sessions/device.js';
import type { SessionDto } from '../sessions/sessions.dto.js';
import { signInResults } from '../sign-in-results.js';
import { SignInService } from '../sign-in.service.js';
import { Clock } from '../../common/clock.provider.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { verifyAuthentication, webauthn } from './webauthn.js';
import type { AuthenticationDto } from './credentials.dto.js';
import type { RequestOptionsDto } from './options.dto.js';
import { CHALLENGE_LIFETIME_MS, PasskeyChallengesService } from './passkey-challenges.service.js';
import { Passkey } from './passkey.entity.js';
import { RelyingParty } from './relying-party.provider.js';
import { userHandleOf } from './user-handle.js';

/** Stores the counter if it has grown. Authenticators that do not count always send 0. A counter that does not grow means a copy. */
const USE = `update passkeys set counter = $2, last_used_at = $3
  where id = $1 and (counter < $2 or (counter = 0 and $2 = 0)) returning id`;

/** Signs users in with passkeys. */
@Injectable()
export class PasskeySignInService {
  private readonly results;

  constructor(
    @InjectRepository(Passkey) private readonly passkeys: Repository<Passkey>,
    private readonly challenges: PasskeyChallengesService,
    private readonly signIns: SignInService,
    private readonly audit: AuditService,
    private readonly relyingParty: RelyingParty,
    private readonly clock: Clock,
    metrics: MetricsService,
  ) {
    this.results = signInResults(metrics);
  }

  /** Issues a challenge for any passkey: the browser selects the user. Throws `rate_limited`. */
  async options(): Promise<RequestOptionsDto> {
    const { generateAuthenticationOptions } = await webauthn();
    const { rpId, challenge, timeout, userVerification } = await generateAuthenticationOptions({
      rpID: this.relyingParty.id,
      timeout: CHALLENGE_LIFETIME_MS,
      userVerification: 'required',
    });
    await this.challenges.store(challenge, null);
    return { rpId, challenge, timeout, userVerification };
  }

  /** Signs in with a passkey, which counts as two factors: possession, and a PIN or biometric check. Throws `invalid_passkey`. */
  signIn(credential: AuthenticationDto, device: Device): Promise<SessionDto> {
    return this.results.watch(this.verifyAndOpen(credential, device), { method: 'passkey' });
  }

  private async verifyAndOpen(credential: AuthenticationDto, device: Device): Promise<SessionDto> {
    const challenge = await this.challenges.take(credential, null);
    const passkey = await this.passkeys.findOneBy({ credential_id: credential.id });
    if (challenge === null || !passkey) return this.refuse(passkey);
    const counter = await this.verify(passkey, credential, challenge);
    if (counter === null) return this.refuse(passkey);
    const used = await returningRows(this.passkeys, USE, [passkey.id, counter, this.clock.date()]);
    if (used.length === 0) return this.refuse(passkey, 'passkey.counter_regressed');
    const verified = { userId: passkey.user_id, passkeyId: passkey.id, isTwoFactorVerified: true };
    const session = await this.signIns.openSession(verified, device, { by: 'passkey' });
    return session ?? this.refuse(passkey);
  }

  /** Returns the signature counter of a valid response of the passkey's owner; null for any other. */
  private async verify(passkey: Passkey, credential: AuthenticationDto, challenge: string): Promise<number | null> {
    const { user_id, credential_id: id, public_key } = passkey;
    if (credential.response.userHandle !== Buffer.from(userHandleOf(user_id)).toString('base64url')) return null;
    const key = { id, publicKey: Uint8Array.from(public_key) };
    const verification = await verifyAuthentication(credential, challenge, this.relyingParty, key);
    return 'value' in verification ? verification.value : null;
  }

  /** Throws the same problem for every cause, and audits the refusal. */
  private async refuse(passkey: Passkey | null, action: AuditAction = 'passkey.refused'): Promise<never> {
    const details = passkey ? { id: passkey.id } : {};
    const subject_id = passkey?.user_id ?? null;
    await this.audit.write(this.passkeys.manager, { action, subject_id, succeeded: false, details });
    throw new Problem('invalid_passkey');
  }
}
