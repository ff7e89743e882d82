import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { type Device, deviceName } from '../sessions/device.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import { SecurityMailsService } from '../security-mails/security-mails.service.js';
import { SignInMethodsService } from '../sign-in-methods.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ReauthenticationService } from '../reauthentication.service.js';
import { ALGORITHMS, verifyRegistration, webauthn } from './webauthn.js';
import type { CreationOptionsDto } from './options.dto.js';
import { CHALLENGE_LIFETIME_MS, PasskeyChallengesService } from './passkey-challenges.service.js';
import { Passkey } from './passkey.entity.js';
import type { CreatePasskeyDto, UpdatePasskeyDto } from './passkeys.dto.js';
import { RelyingParty } from './relying-party.provider.js';
import { userHandleOf } from './user-handle.js';

const MAX_PASSKEYS = 20;

/** Registers, lists, renames and removes a user's passkeys. */
@Injectable()
export class PasskeysService {
  constructor(
    @InjectRepository(Passkey) private readonly passkeys: Repository<Passkey>,
    private readonly challenges: PasskeyChallengesService,
    private readonly reauthentication: ReauthenticationService,
    private readonly audit: AuditService,
    private readonly mails: SecurityMailsService,
    private readonly relyingParty: RelyingParty,
    private readonly signInMethods: SignInMethodsService,
    private readonly clock: Clock,
  ) {}

  /** Issues a challenge for a new passkey. Throws `wrong_password`, `sign_in_again`, `too_many_passkeys`. */
  async createOptions(caller: Caller, currentPassword: string | undefined): Promise<CreationOptionsDto> {
    await this.reauthentication.verify(caller, currentPassword);
    const existing = await this.list(caller);
    if (existing.length >= MAX_PASSKEYS) throw new Problem('too_many_passkeys');
    const { generateRegistrationOptions } = await webauthn();
    const options = await generateRegistrationOptions({
      rpID: this.relyingParty.id,
      rpName: this.relyingParty.name,
      userID: userHandleOf(caller.id),
      userName: caller.profile.username,
      userDisplayName: caller.profile.fullname,
      timeout: CHALLENGE_LIFETIME_MS,
      attestationType: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: ALGORITHMS,
      excludeCredentials: existing.map((passkey) => ({ id: passkey.credential_id, transports: passkey.transports })),
    });
    await this.challenges.store(options.challenge, caller.id);
    return options;
  }

  /** Registers a passkey. Throws `passkey_refused`, `passkey_taken`, `too_many_passkeys`. */
  async create(caller: Caller, { name, credential }: CreatePasskeyDto, device: Device): Promise<Passkey> {
    const challenge = await this.challenges.take(credential, caller.id);
    if (challenge === null) throw new Problem('passkey_refused');
    const verification = await verifyRegistration(credential, challenge, this.relyingParty);
    if ('reason' in verification) throw new Problem('passkey_refused', { cause: verification.reason });
    const passkey = {
      id: uuidv7(),
      user_id: caller.id,
      name: name ?? deviceName(device.user_agent),
      credential_id: verification.value.id,
      public_key: Buffer.from(verification.value.publicKey),
      counter: String(verification.value.counter),
      transports: verification.value.transports ?? [],
      is_synced: verification.value.isSynced,
      created_at: this.clock.date(),
      last_used_at: null,
    };
    await this.passkeys.manager.transaction((manager) => this.insert(manager, caller, passkey));
    return this.passkeys.create(passkey); // not read again: a reset of the password may have removed it meanwhile
  }

  /** The caller's passkeys, oldest first. */
  list(caller: Caller): Promise<Passkey[]> {
    return this.passkeys.find({ where: { user_id: caller.id }, order: { id: 'ASC' } });
  }

  /** Renames one of the caller's passkeys. Throws `passkey_not_found`. */
  async update(caller: Caller, id: string, { name }: UpdatePasskeyDto): Promise<Passkey> {
    await this.passkeys.update({ id, user_id: caller.id }, { name });
    return this.get(caller, id);
  }

  /**
   * Removes one of the caller's passkeys. Throws `passkey_not_found`, `last_way_to_sign_in`, `wrong_password`,
   * `sign_in_again`.
   */
  async remove(caller: Caller, id: string, currentPassword: string | undefined): Promise<void> {
    const credential = await this.reauthentication.verify(caller, currentPassword);
    await this.passkeys.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      const { affected } = await manager.delete(Passkey, { id, user_id: caller.id });
      if (affected === 0) throw new Problem('passkey_not_found');
      await this.signInMethods.assertNotLast(manager, caller.id);
      await this.audit.write(manager, {
        action: 'passkey.removed',
        ...actorOf(caller),
        subject_id: caller.id,
        details: { id },
      });
      await this.mails.send(manager, caller.id, 'passkey_removed');
    });
  }

  private async insert(manager: EntityManager, caller: Caller, passkey: Omit<Passkey, 'user'>): Promise<void> {
    await this.signInMethods.lock(manager, caller.id);
    await this.reauthentication.assertSession(manager, caller);
    if ((await manager.countBy(Passkey, { user_id: caller.id })) >= MAX_PASSKEYS)
      throw new Problem('too_many_passkeys');
    if (!(await insertOrIgnore(manager, Passkey, passkey))) throw new Problem('passkey_taken');
    const { id } = passkey;
    await this.audit.write(manager, {
      action: 'passkey.added',
      ...actorOf(caller),
      subject_id: caller.id,
      details: { id },
    });
    await this.mails.send(manager, caller.id, 'passkey_added');
  }

  private async get(caller: Caller, id: string): Promise<Passkey> {
    const passkey = await this.passkeys.findOneBy({ id, user_id: caller.id });
    if (!passkey) throw new Problem('passkey_not_found');
    return passkey;
  }
}
