import { Injectable } from '@nestjs/common';
import { type EntityManager, In, IsNull, Not } from 'typeorm';
import { RegistrationIdsService } from './registration-ids.service.js';
import { Registration } from './registration.entity.js';

/** $1 the registration that has them, $2 the one that gets them. Triggers see that no place changes. */
const MOVE = ['vaccination_appointments', 'vaccination_doses'].map(
  (table) => `update ${table} set registration_id = $2 where registration_id = $1`,
);

/** The records of people who deleted their accounts, and come back. */
@Injectable()
export class KeptRecordsService {
  constructor(private readonly ids: RegistrationIdsService) {}

  /**
   * Gives a person whose documents the staff has just verified the doses that were kept under the same id number. The caller
   * has locked the registration, which has no doses of its own. Returns the id of the former registration, or null.
   */
  async returnTo(manager: EntityManager, id: string): Promise<string | null> {
    const [person] = await manager.find(Registration, {
      where: { id },
      select: { id: true, id_type: true, id_number: true },
    });
    const where = { id: Not(id), user_id: IsNull(), id_hash: In(this.ids.hashesOf(person!)) };
    const kept = await manager.findOne(Registration, { where, lock: { mode: 'pessimistic_write' } });
    if (!kept) return null;
    for (const statement of MOVE) await manager.query(statement, [kept.id, id]);
    await manager.delete(Registration, kept.id);
    return kept.id;
  }
}
