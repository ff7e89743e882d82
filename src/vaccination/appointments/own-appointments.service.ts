import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { BatchedQuery } from '../../database/statements/batched-query.js';
import { JSON_TIMES } from '../../database/statements/json-times.js';
import { POOL } from '../../database/connections/pool.js';
import { Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { SESSION_COLUMNS, SESSION_JOINS, type SessionRow } from '../sessions/session-rows.js';
import type { Appointment } from './appointment.entity.js';

const MAX_LISTED = 200;

/** An appointment with its session, centre and vaccine. The times are texts in the format of JSON. */
export type OwnAppointment = SessionRow &
  Pick<Appointment, 'registration_id' | 'moves'> & {
    appointment_id: string;
    user_id: string | null;
    booked_dose: number;
    appointment_status: Appointment['status'];
    created_at: string;
    updated_at: string;
  };

const APPOINTMENTS = `select a.id as appointment_id, a.registration_id, r.user_id, a.dose as booked_dose, a.status as appointment_status,
    a.moves, a.created_at, a.updated_at, ${SESSION_COLUMNS}
  from vaccination_appointments a join vaccination_registrations r on r.id = a.registration_id
  join vaccination_sessions s on s.id = a.session_id ${SESSION_JOINS}`;

/** $1 ids. One query for all that have booked in a batch. */
const BY_IDS = {
  name: 'vaccination-appointments-by-ids',
  text: `${APPOINTMENTS} where a.id = any ($1::uuid[])`,
  types: JSON_TIMES,
};

/** $1 the id of an account. */
const OF_ACCOUNT = {
  name: 'vaccination-appointments-of-account',
  text: `${APPOINTMENTS} where r.user_id = $1 order by a.id desc limit ${MAX_LISTED}`,
  types: JSON_TIMES,
};

/** Reads the appointments of the people of an account. */
@Injectable()
export class OwnAppointmentsService {
  private readonly byIds: BatchedQuery<OwnAppointment>;

  constructor(@Inject(POOL) private readonly pool: Pool) {
    this.byIds = new BatchedQuery<OwnAppointment>(pool, BY_IDS, ({ appointment_id }) => appointment_id);
  }

  /** The newest appointments, at most 200. */
  async list(caller: Caller): Promise<OwnAppointment[]> {
    return (await this.pool.query<OwnAppointment>({ ...OF_ACCOUNT, values: [caller.id] })).rows;
  }

  /** Requests that arrive together share one query. Throws `appointment_not_found`. */
  async get(caller: Caller, id: string): Promise<OwnAppointment> {
    const appointment = await this.byIds.find(id);
    if (appointment?.user_id !== caller.id) throw new Problem('appointment_not_found');
    return appointment;
  }
}
