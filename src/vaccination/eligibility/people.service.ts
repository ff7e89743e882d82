import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import { DosesService } from '../doses/doses.service.js';
import { fromPool, type ReadRows } from '../read-rows.js';
import type { Person } from './eligibility.js';

/** The person with this registration, as their account sees them. */
export interface PersonKey {
  registration_id: string;
  user_id: string;
}

type Row = Pick<Person, 'status' | 'date_of_birth' | 'booked'> & { id: string };

/** People of accounts: $1 ids of registrations, $2 the ids of their accounts. One query for a batch of bookings. */
const PEOPLE = {
  name: 'vaccination-people',
  text: `select r.id, r.status, r.date_of_birth::text, array(
      select a.disease from vaccination_appointments a
      where a.registration_id = r.id and a.status in ('booked', 'checked_in')
    ) as booked
    from unnest($1::uuid[], $2::uuid[]) as q (id, user_id)
    join vaccination_registrations r on r.id = q.id and r.user_id = q.user_id`,
};

/** Reads what eligibility depends on. */
@Injectable()
export class PeopleService {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly doses: DosesService,
  ) {}

  /** The people by the ids of their registrations. Those that do not belong to the account named with them are missing. */
  async read(keys: PersonKey[], read: ReadRows = fromPool(this.pool)): Promise<Map<string, Person>> {
    const ids = keys.map(({ registration_id }) => registration_id);
    const rows = await read<Row>(PEOPLE, [ids, keys.map(({ user_id }) => user_id)]);
    const people = new Map<string, Person>(rows.map(({ id, ...row }) => [id, { ...row, doses: [] }]));
    for (const { registration_id, ...dose } of await this.doses.listCompletedOf([...people.keys()], read)) {
      people.get(registration_id)!.doses.push(dose);
    }
    return people;
  }
}
