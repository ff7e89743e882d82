import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { generateAuthenticationOptions } from '@simplewebauthn/server';
import { Repository } from 'typeorm';
import type { AuditAction } from '../../audit/audit.actions.js';
import { AuditService } from '../../audit/audit.service.js';
import type { Device } from '../sessions/device.js';
import type { SessionDto } from '../sessions/sessions.dto.js';
import { SignInService } from '../sign-in.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import { checkAuthentication } from './webauthn.js';
import type { AuthenticationDto } from './credentials.dto.js';
import type { RequestOptionsDto } from './options.dto.js';
import { CEREMONY_MS, PasskeyChallengesService } from './passkey-challenges.service.js';
import { Passkey } from './passkey.entity.js';
import { RelyingParty } from './relying-party.provider.js';
import { handleOf } from './user-handle.js';

/** Authenticators that do not count say 0 for ever; of the others, one that does not go up has a copy. */
const USE = `update passkeys set counter = $2, last_used_at = $3
  where id = $1 and (counter < $2 or (counter = 0 and $2 = 0)) returning id`;

/** The door that passkeys open. */
@Injectable()
export class PasskeySignInService {
  constructor(
    @InjectRepository(Passkey) private readonly passkeys: Repository<Passkey>,
    private readonly challenges: PasskeyChallengesService,
    private readonly signIns: SignInService,
    private readonly audit: AuditService,
    private readonly relyingParty: RelyingParty,
    private readonly clock: Clock,
  ) {}

  /** What the browser has to ask an authenticator for; it knows itself for whom it has passkeys. */
  async options(): Promise<RequestOptionsDto> {
    const { rpId, challenge, timeout, userVerification } = await generateAuthenticationOptions({
      rpID: this.relyingParty.id,
      timeout: CEREMONY_MS,
      userVerification: 'required',
    });
    await this.challenges.remember(challenge, null);
    return { rpId, challenge, timeout, userVerification };
  }

  /** Signs in with a passkey, which is two steps in one: something one has, and a PIN or a finger. Raises `invalid_passkey`. */
  async signIn(credential: AuthenticationDto, device: Device): Promise<SessionDto> {
    const challenge = await this.challenges.take(credential, null);
    const passkey = await this.passkeys.findOneBy({ credential_id: credential.id });
    if (challenge === null || !passkey) return this.refuse(passkey);
    const counter = await this.check(passkey, credential, challenge);
    if (counter === null) return this.refuse(passkey);
    const [used] = await this.passkeys.query<[unknown[], number]>(USE, [passkey.id, counter, this.clock.date()]);
    if (used.length === 0) return this.refuse(passkey, 'passkey.counter_regressed');
    const verified = { userId: passkey.user_id, isTwoFactorVerified: true };
    const session = await this.signIns.openSession(verified, device, { by: 'passkey' });
    return session ?? this.refuse(passkey);
  }

  /** The counter of a right answer by the owner's authenticator; null for any other. */
  private async check(passkey: Passkey, credential: AuthenticationDto, challenge: string): Promise<number | null> {
    const { user_id, credential_id: id, public_key } = passkey;
    if (credential.response.userHandle !== Buffer.from(handleOf(user_id)).toString('base64url')) return null;
    const key = { id, publicKey: Uint8Array.from(public_key) };
    const checked = await checkAuthentication(credential, challenge, this.relyingParty, key);
    return 'value' in checked ? checked.value : null;
  }

  /** One answer, whatever was wrong. */
  private async refuse(passkey: Passkey | null, action: AuditAction = 'passkey.refused'): Promise<never> {
    const details = passkey ? { id: passkey.id } : {};
    const subject_id = passkey?.user_id ?? null;
    await this.audit.write(this.passkeys.manager, { action, subject_id, succeeded: false, details });
    throw new Problem('invalid_passkey');
  }
}
