import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import type { ReadRows } from '../read-rows.js';
import { AuditService } from '../../audit/audit.service.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { Dose } from './dose.entity.js';

/** $1 ids of registrations. One query for a batch of bookings. */
const COMPLETED = {
  name: 'vaccination-completed-doses',
  text: `select registration_id, disease, dose, vaccine_id, given_at from vaccination_doses
    where registration_id = any ($1::uuid[]) and status = 'completed'`,
};

/** The records of given doses. */
@Injectable()
export class DosesService {
  constructor(
    @InjectRepository(Dose) private readonly doses: Repository<Dose>,
    private readonly staff: CentreStaffService,
    private readonly audit: AuditService,
  ) {}

  /** The doses that count for a person, against all diseases, in the order in which they were given. */
  listCompleted(registrationId: string, manager: EntityManager = this.doses.manager): Promise<Dose[]> {
    return manager.find(Dose, {
      where: { registration_id: registrationId, status: 'completed' },
      order: { given_at: 'ASC', id: 'ASC' },
    });
  }

  /** The doses that count for these people, in any order. */
  listCompletedOf(
    registrationIds: string[],
    read: ReadRows,
  ): Promise<Pick<Dose, 'registration_id' | 'disease' | 'dose' | 'vaccine_id' | 'given_at'>[]> {
    return read(COMPLETED, [registrationIds]);
  }

  /** The doses of the caller and of their dependants, also wrong records, in the order in which they were given. */
  listOwn(caller: Caller): Promise<Dose[]> {
    return this.doses.find({
      where: { registration: { user_id: caller.id } },
      relations: { lot: true },
      order: { given_at: 'ASC', id: 'ASC' },
    });
  }

  /** A dose with its lot and its registration. Throws `dose_not_found`. */
  async get(id: string): Promise<Dose> {
    const dose = await this.doses.findOne({ where: { id }, relations: { lot: true, registration: true } });
    if (!dose) throw new Problem('dose_not_found');
    return dose;
  }

  /**
   * A dose of the caller or a dependant, or one that was given at a centre where the caller works: that is audited.
   * Throws `dose_not_found`, `forbidden`.
   */
  async getVisible(caller: Caller, id: string): Promise<Dose> {
    const dose = await this.get(id);
    if (dose.registration.user_id === caller.id) return dose;
    await this.staff.assertRole(caller, dose.centre_id, ...STAFF_ROLES);
    await this.audit.write(this.doses.manager, {
      action: 'vaccination_dose.viewed',
      ...actorOf(caller),
      subject_id: id,
      details: { registration_id: dose.registration_id },
    });
    return dose;
  }
}
