import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { generateRegistrationOptions } from '@simplewebauthn/server';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { type Device, deviceName } from '../auth/device.js';
import { Clock } from '../common/clock.js';
import { Problem } from '../common/problem.js';
import { insertNew } from '../database/insert-new.js';
import { WaysToSignIn } from '../identities/ways-to-sign-in.js';
import { by, type CurrentUser } from '../users/current-user.js';
import { Reauthentication } from '../users/reauthentication.js';
import { ALGORITHMS, checkRegistration } from './ceremonies.js';
import type { CreationOptionsDto } from './options.dto.js';
import { CEREMONY_MS, PasskeyChallenges } from './passkey-challenges.js';
import { Passkey } from './passkey.entity.js';
import type { CreatePasskeyDto, UpdatePasskeyDto } from './passkeys.dto.js';
import { RelyingParty } from './relying-party.js';
import { handleOf } from './user-handle.js';

const MAX_PASSKEYS = 20;

/** A user's passkeys: registering, listing, removing. */
@Injectable()
export class PasskeysService {
  constructor(
    @InjectRepository(Passkey) private readonly passkeys: Repository<Passkey>,
    private readonly challenges: PasskeyChallenges,
    private readonly reauthentication: Reauthentication,
    private readonly audit: AuditService,
    private readonly relyingParty: RelyingParty,
    private readonly ways: WaysToSignIn,
    private readonly clock: Clock,
  ) {}

  /** What the browser has to ask the authenticator for. Raises `wrong_password`, `sign_in_again`, `too_many_passkeys`. */
  async options(me: CurrentUser, currentPassword: string | undefined): Promise<CreationOptionsDto> {
    await this.reauthentication.assert(me, currentPassword);
    const mine = await this.list(me);
    if (mine.length >= MAX_PASSKEYS) throw new Problem('too_many_passkeys');
    const options = await generateRegistrationOptions({
      rpID: this.relyingParty.id,
      rpName: this.relyingParty.name,
      userID: handleOf(me.id),
      userName: me.profile.username,
      userDisplayName: me.profile.fullname,
      timeout: CEREMONY_MS,
      attestationType: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: ALGORITHMS,
      excludeCredentials: mine.map((passkey) => ({ id: passkey.credential_id, transports: passkey.transports })),
    });
    await this.challenges.remember(options.challenge, me.id);
    return options;
  }

  /** Registers a passkey. Raises `passkey_refused`, `passkey_taken`, `too_many_passkeys`. */
  async create(me: CurrentUser, { name, credential }: CreatePasskeyDto, device: Device): Promise<Passkey> {
    const challenge = await this.challenges.take(credential, me.id);
    if (challenge === null) throw new Problem('passkey_refused');
    const checked = await checkRegistration(credential, challenge, this.relyingParty);
    if ('reason' in checked) throw new Problem('passkey_refused', { cause: checked.reason });
    const passkey = {
      id: uuidv7(),
      user_id: me.id,
      name: name ?? deviceName(device.user_agent),
      credential_id: checked.value.id,
      public_key: Buffer.from(checked.value.publicKey),
      counter: String(checked.value.counter),
      transports: checked.value.transports ?? [],
      is_synced: checked.value.isSynced,
      created_at: this.clock.date(),
      last_used_at: null,
    };
    await this.passkeys.manager.transaction((manager) => this.insert(manager, me, passkey));
    return this.get(me, passkey.id);
  }

  /** The caller's, oldest first. */
  list(me: CurrentUser): Promise<Passkey[]> {
    return this.passkeys.find({ where: { user_id: me.id }, order: { id: 'ASC' } });
  }

  /** Renames one of the caller's. Raises `passkey_not_found`. */
  async update(me: CurrentUser, id: string, { name }: UpdatePasskeyDto): Promise<Passkey> {
    await this.passkeys.update({ id, user_id: me.id }, { name });
    return this.get(me, id);
  }

  /** Removes one of the caller's. Raises `passkey_not_found`, `last_way_to_sign_in`. */
  async remove(me: CurrentUser, id: string): Promise<void> {
    await this.passkeys.manager.transaction(async (manager) => {
      await this.ways.lock(manager, me.id);
      const { affected } = await manager.delete(Passkey, { id, user_id: me.id });
      if (affected === 0) throw new Problem('passkey_not_found');
      await this.ways.assertOneIsLeft(manager, me.id);
      await this.audit.write(manager, { action: 'passkey.removed', ...by(me), subject_id: me.id, details: { id } });
    });
  }

  private async insert(manager: EntityManager, me: CurrentUser, passkey: Omit<Passkey, 'user'>): Promise<void> {
    await this.ways.lock(manager, me.id);
    await this.reauthentication.assertSession(manager, me);
    if ((await manager.countBy(Passkey, { user_id: me.id })) >= MAX_PASSKEYS) throw new Problem('too_many_passkeys');
    if (!(await insertNew(manager, Passkey, passkey))) throw new Problem('passkey_taken');
    const { id } = passkey;
    await this.audit.write(manager, { action: 'passkey.added', ...by(me), subject_id: me.id, details: { id } });
  }

  private async get(me: CurrentUser, id: string): Promise<Passkey> {
    const passkey = await this.passkeys.findOneBy({ id, user_id: me.id });
    if (!passkey) throw new Problem('passkey_not_found');
    return passkey;
  }
}
