import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Appointment } from '../../../src/vaccination/appointments/appointment.entity.js';
import { Dose } from '../../../src/vaccination/doses/dose.entity.js';
import { Registration } from '../../../src/vaccination/registrations/registration.entity.js';
import type { SignedInUser, TestApp } from '../app.js';
import type { vaccinationWorld } from './vaccination.js';

/** Puts a person and a completed dose on record, without the steps that lead to it. Returns their ids. */
export async function recordDose(
  t: TestApp,
  world: Awaited<ReturnType<typeof vaccinationWorld>>,
  owner: SignedInUser,
  { place = 0, dose = 1, given_at = t.clock.date(), vaccine = {}, registrationId, ...person }: DoseOptions = {},
): Promise<{ id: string; registration_id: string }> {
  const { manager } = t.dataSource;
  const now = new Date(t.clock.now() - 1000);
  const times = { created_at: now, updated_at: now };
  const registration_id = registrationId ?? uuidv7();
  if (registrationId === undefined) {
    await manager.insert(Registration, {
      id: registration_id,
      user_id: owner.id,
      place,
      legal_name: 'Md. Rahim Uddin',
      date_of_birth: '1990-04-01',
      sex: 'male',
      id_type: 'NID',
      id_number: randomBytes(40),
      id_hash: randomBytes(32),
      id_last4: '1234',
      phone: '+8801712345678',
      status: 'verified',
      ...person,
      ...times,
    });
  }
  const { id: centre_id } = await world.centre();
  const { id: vaccine_id } = await world.vaccine({ cvx_code: '208', name: 'Comirnaty', ...vaccine });
  const session = await world.session({ centre_id, vaccine_id });
  const lot = await world.create('/api/vaccination/lots', {
    centre_id,
    vaccine_id,
    number: 'FA4598',
    expires_on: '2029-12-31',
    received: 100,
  });
  const appointment_id = uuidv7();
  const subject = { registration_id, disease: '840539006', dose };
  const appointment = {
    id: appointment_id,
    session_id: session.id,
    status: 'fulfilled' as const,
    ...subject,
    ...times,
  };
  await manager.insert(Appointment, appointment);
  const id = uuidv7();
  await manager.insert(Dose, {
    ...subject,
    id,
    appointment_id,
    centre_id,
    vaccine_id,
    lot_id: lot.id,
    status: 'completed',
    site: 'LA',
    route: 'IM',
    given_at,
    created_at: now,
  });
  return { id, registration_id };
}

interface DoseOptions {
  place?: number;
  dose?: number;
  given_at?: Date;
  vaccine?: object;
  /** A person who is on record already. */
  registrationId?: string;
  legal_name?: string;
  date_of_birth?: string;
}
