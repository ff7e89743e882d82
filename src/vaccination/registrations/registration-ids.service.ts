import { Injectable } from '@nestjs/common';
import { type EntityManager, In, IsNull, Not } from 'typeorm';
import { LOCK_PERSON } from '../../database/advisory-locks.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { NationalIdsService } from '../../national-ids/national-ids.service.js';
import { type NationalId, readNationalId } from './national-id.js';
import { type IdType, Registration } from './registration.entity.js';

/** The columns that an id number is stored in. */
type IdColumns = Pick<Registration, 'id_type' | 'id_number' | 'id_hash' | 'id_last4'>;

/** Reads, encrypts and indexes the id numbers of registrations. */
@Injectable()
export class RegistrationIdsService {
  constructor(private readonly nationalIds: NationalIdsService) {}

  /** Reads a number as its owner wrote it. Throws `validation_failed`, whose message does not contain the number. */
  read(type: IdType, text: string, dateOfBirth: string | null): NationalId {
    const id = readNationalId(type, text, dateOfBirth);
    if (typeof id === 'string') throw validationFailed([{ path: 'id_number', message: id }]);
    return id;
  }

  /**
   * The columns for the number of a registration. The unique index on `id_hash` finds the same person among the hashes of the
   * current index key; among those of former keys, during a rotation, this does. Throws `person_registered`.
   */
  async toColumns(
    manager: EntityManager,
    registrationId: string,
    id_type: IdType,
    { number, identity }: NationalId,
  ): Promise<IdColumns> {
    const [id_hash, ...formerHashes] = this.nationalIds.hashes(id_type, identity);
    if (formerHashes.length > 0) {
      // Processes may differ in which key is the current one, but they lock the same person under the same number.
      const [first] = [id_hash!, ...formerHashes].toSorted((a, b) => a.compare(b));
      await manager.query(LOCK_PERSON, [first!.toString('hex')]);
      await this.assertUnknown(manager, registrationId, formerHashes);
    }
    return {
      id_type,
      id_number: this.nationalIds.encrypt(registrationRow(registrationId), number),
      id_hash: id_hash!,
      id_last4: number.slice(-4),
    };
  }

  /** The number of a registration in clear. Throws if the row was copied from another one. */
  decrypt({ id, id_number }: Pick<Registration, 'id' | 'id_number'>): string {
    return this.nationalIds.decrypt(registrationRow(id), id_number);
  }

  /** The hashes of the number of a registration, under all keys that are in use. */
  hashesOf(registration: Pick<Registration, 'id' | 'id_type' | 'id_number'>): Buffer[] {
    const { id_type } = registration;
    return this.nationalIds.hashes(id_type, this.read(id_type, this.decrypt(registration), null).identity);
  }

  /**
   * Throws `person_registered` if another registration has one of the hashes and is not rejected. Registrations without an
   * account do not count: their doses were kept, and return to the person once the staff has verified the new registration.
   */
  async assertUnknown(manager: EntityManager, registrationId: string, hashes: Buffer[]): Promise<void> {
    const isOther = { id: Not(registrationId), id_hash: In(hashes) };
    const isLive = { status: Not('rejected' as const), user_id: Not(IsNull()) };
    if (await manager.existsBy(Registration, { ...isOther, ...isLive })) throw new Problem('person_registered');
  }
}

/** The name of a row that an id number is bound to. */
export const registrationRow = (registrationId: string): string => `vaccination_registrations ${registrationId}`;
