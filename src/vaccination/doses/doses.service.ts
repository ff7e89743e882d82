import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { findUnique } from '../../database/statements/find-unique.js';
import type { ReadRows } from '../read-rows.js';
import { Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { RegistrationReviewsService } from '../registrations/registration-reviews.service.js';
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
    private readonly reviews: RegistrationReviewsService,
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
    const dose = await findUnique(this.doses, { where: { id }, relations: { lot: true, registration: true } });
    if (!dose) throw new Problem('dose_not_found');
    return dose;
  }

  /**
   * A dose of the caller or a dependant, or of a person who concerns the caller as staff: that is recorded with its reason.
   * Throws `dose_not_found`, `forbidden`, and `validation_failed` when staff gives no reason.
   */
  async getVisible(caller: Caller, id: string, reason?: string): Promise<Dose> {
    const dose = await this.get(id);
    if (dose.registration.user_id === caller.id) return dose;
    await this.reviews.assertConcerned(caller, dose.registration_id, reason);
    return dose;
  }
}
