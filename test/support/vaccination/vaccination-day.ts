import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Appointment, type AppointmentStatus } from '../../../src/vaccination/appointments/appointment.entity.js';
import { Registration } from '../../../src/vaccination/registrations/registration.entity.js';
import type { SignedInUser, TestApp } from '../app.js';
import { vaccinationWorld } from './vaccination.js';

interface Visit {
  /** An earlier visitor; otherwise a new person. */
  registrationId?: string;
  sessionId?: string;
  status?: AppointmentStatus;
  dose?: number;
  /** Of the vaccine of the session, if it is another one. */
  disease?: string;
  starts_at?: string;
  ends_at?: string;
}

let counter = 0;

/** What tests of a day at a centre need: a centre, a vaccine, and visitors with appointments of today. */
export async function vaccinationDay(t: TestApp) {
  const world = await vaccinationWorld(t);
  const { id: centreId } = await world.centre();
  const { id: vaccineId, disease: ownDisease } = await world.vaccine();

  const session = (fields: object = {}) =>
    world.session({ centre_id: centreId, vaccine_id: vaccineId, days: 0, walk_in_capacity: 5, ...fields });

  async function lot(fields: object = {}, { isRecalled = false } = {}) {
    const body = { centre_id: centreId, vaccine_id: vaccineId, expires_on: '2027-06-30', received: 10, ...fields };
    const created = await world.create('/api/vaccination/lots', { number: `L${++counter}`, ...body });
    const recall = `update vaccine_lots set recalled_at = now(), recall_reason = 'Test' where id = $1`;
    if (isRecalled) await t.dataSource.query(recall, [created.id]);
    return created;
  }

  /** A verified person; `owner` is null for one whose account is deleted. */
  async function person(owner: SignedInUser | null, fields: Partial<Registration> = {}): Promise<string> {
    const id = uuidv7();
    const now = t.clock.date();
    await t.dataSource.manager.insert(Registration, {
      id,
      user_id: owner?.id ?? null,
      place: 0,
      legal_name: `Visitor ${++counter}`,
      date_of_birth: '1990-04-01',
      sex: 'female',
      id_type: 'NID',
      id_number: randomBytes(40),
      id_hash: randomBytes(32),
      id_last4: '1234',
      phone: '+8801712345678',
      status: 'verified',
      created_at: now,
      updated_at: now,
      ...fields,
    });
    return id;
  }

  /** A verified person with an appointment of today; checked in unless `status` says otherwise. */
  async function visitor({
    registrationId,
    sessionId,
    status = 'checked_in',
    dose = 1,
    disease = ownDisease,
    ...times
  }: Visit = {}) {
    const owner = registrationId === undefined ? await t.user() : undefined;
    const registration_id = registrationId ?? (await person(owner!));
    const id = uuidv7();
    const now = t.clock.date();
    const session_id = sessionId ?? (await session(times)).id;
    const checked_in_at = status === 'booked' ? null : now;
    const row = { id, registration_id, session_id, disease, dose, status, checked_in_at };
    await t.dataSource.manager.insert(Appointment, { ...row, created_at: now, updated_at: now });
    return { owner: owner!, registrationId: registration_id, sessionId: session_id, appointmentId: id };
  }

  /** So many persons who checked in to one session, without accounts. Returns the ids of their appointments. */
  async function crowd(size: number): Promise<string[]> {
    const { id: sessionId } = await session({ capacity: size });
    const persons = await Promise.all(Array.from({ length: size }, () => person(null)));
    const visits = persons.map((registrationId) => visitor({ registrationId, sessionId }));
    return (await Promise.all(visits)).map(({ appointmentId }) => appointmentId);
  }

  const validCertificates = (doseId: string): Promise<number> =>
    t.dataSource
      .query('select 1 from vaccination_certificates where dose_id = $1 and revoked_at is null', [doseId])
      .then((rows: unknown[]) => rows.length);

  return { ...world, centreId, vaccineId, session, lot, person, visitor, crowd, validCertificates };
}
