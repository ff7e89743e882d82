import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import type { ReadRows } from '../read-rows.js';
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
  constructor(@InjectRepository(Dose) private readonly doses: Repository<Dose>) {}

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
}
