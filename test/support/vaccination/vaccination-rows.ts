import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Appointment, type AppointmentStatus } from '../../../src/vaccination/appointments/appointment.entity.js';
import { Dose } from '../../../src/vaccination/doses/dose.entity.js';
import { Registration } from '../../../src/vaccination/registrations/registration.entity.js';
import type { TestApp } from '../app.js';

interface NewDoses {
  /** How many people. Default: 1. */
  people?: number;
  centreId: string;
  vaccineId: string;
  lotId: string;
  sessionId: string;
  at: string;
  dose?: number;
  sex?: Registration['sex'];
  born?: string;
  vaccinatorId?: string;
  status?: Dose['status'];
  /** The people, if they are registered already. */
  registrationIds?: string[];
}

const DISEASE = '840539006';

/** Adds rows that the routes would add, at any time and in any number. */
export function vaccinationRows({ dataSource: { manager } }: TestApp) {
  async function registrations(count: number, fields: Partial<Registration> = {}): Promise<string[]> {
    const rows = Array.from({ length: count }, () => ({
      id: uuidv7(),
      user_id: null,
      place: 0,
      legal_name: 'Test Person',
      date_of_birth: '1990-04-01',
      sex: null,
      id_type: 'NID' as const,
      id_number: randomBytes(40),
      id_hash: randomBytes(32),
      id_last4: '1234',
      phone: '+8801712345678',
      status: 'verified' as const,
      created_at: new Date(),
      updated_at: new Date(),
      ...fields,
    }));
    await manager.insert(Registration, rows);
    return rows.map(({ id }) => id);
  }

  async function appointments(
    sessionId: string,
    registrationIds: string[],
    status: AppointmentStatus,
    dose = 1,
  ): Promise<string[]> {
    const rows = registrationIds.map((registration_id) => ({
      id: uuidv7(),
      registration_id,
      session_id: sessionId,
      disease: DISEASE,
      dose,
      status,
      created_at: new Date(),
      updated_at: new Date(),
    }));
    await manager.insert(Appointment, rows);
    return rows.map(({ id }) => id);
  }

  /** Returns the ids of the people. */
  async function doses(fields: NewDoses): Promise<string[]> {
    const { people = 1, centreId, vaccineId, lotId, sessionId, at, dose = 1, status = 'completed' } = fields;
    const { sex = null, born: date_of_birth = '1990-04-01', vaccinatorId = null } = fields;
    const ids = fields.registrationIds ?? (await registrations(people, { sex, date_of_birth }));
    const appointmentIds = await appointments(sessionId, ids, 'fulfilled', dose);
    await manager.insert(
      Dose,
      ids.map((registration_id, index) => ({
        id: uuidv7(),
        registration_id,
        appointment_id: appointmentIds[index]!,
        centre_id: centreId,
        vaccine_id: vaccineId,
        lot_id: lotId,
        disease: DISEASE,
        dose,
        status,
        vaccinator_id: vaccinatorId,
        site: 'LA',
        route: 'IM',
        given_at: new Date(at),
        error_at: status === 'completed' ? null : new Date(at),
        created_at: new Date(at),
      })),
    );
    return ids;
  }

  return { registrations, appointments, doses };
}
