import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { Dose } from './dose.entity.js';

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
}
