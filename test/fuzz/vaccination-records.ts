interface Person {
  id: string;
  token: string;
}

/** Sends a request with this token, and throws unless it succeeds. */
type Send = (method: string, path: string, token: string, body?: object) => Promise<Record<string, unknown>>;

const HOUR_MS = 3_600_000;

/**
 * Makes one record of each kind, from the vaccine to the adverse event: random requests rarely get through all the steps. The staff
 * of the centre are all these people. Returns the ids by their kinds.
 */
export async function makeVaccinationRecords(
  send: Send,
  root: Person,
  citizen: Person,
  staff: Person[],
): Promise<Record<string, string>> {
  const chief = staff.find(({ id }) => id !== citizen.id)!;
  const make = async ({ token }: Person, path: string, body?: object): Promise<Record<string, unknown>> =>
    send('POST', `/api/vaccination/${path}`, token, body);
  const add = async (person: Person, path: string, body: object): Promise<string> =>
    String((await make(person, path, body))['id']);

  const vaccine_id = await add(root, 'vaccines', {
    code: 'FUZZ',
    name: 'Testvax',
    manufacturer: 'Test Works',
    disease: '840539006',
    doses: [{ min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 }],
  });
  const centre_id = await add(root, 'centres', {
    code: 'FUZZ',
    name: 'Test Centre',
    address: 'Road 7',
    district: 'Dhaka',
    latitude: 23.7,
    longitude: 90.3,
  });
  for (const { id } of staff) {
    const path = `/api/vaccination/centres/${centre_id}/staff/${id}`;
    await send('PUT', path, root.token, { role: 'manager' });
  }
  const stock = { centre_id, vaccine_id, expires_on: '2099-12-31', received: 1000 };
  const lot_id = await add(chief, 'lots', { ...stock, number: 'FUZZ-1' });
  const recall = await add(root, 'recalls', { vaccine_id, number: 'FUZZ-2', reason: 'Too warm.' });
  const session_id = await add(chief, 'sessions', {
    centre_id,
    vaccine_id,
    starts_at: new Date(Date.now() - HOUR_MS),
    ends_at: new Date(Date.now() + 4 * HOUR_MS),
    opens_at: new Date(Date.now() - 2 * HOUR_MS),
    capacity: 1000,
    walk_in_capacity: 1000,
  });
  await make(chief, `sessions/${session_id}/open`);
  const registration_id = await add(citizen, 'registrations', {
    legal_name: 'Test Person',
    date_of_birth: '1990-04-01',
    id_type: 'NID',
    id_number: '7919283746515',
    phone: '01712345678',
  });
  await make(root, `registrations/${registration_id}/verify`);
  const appointment = await make(citizen, 'appointments', { registration_id, session_id });
  const appointment_id = String(appointment['id']);
  await make(chief, `appointments/${appointment_id}/check-in`, { code: appointment['check_in_code'] });
  const dose_id = await add(chief, 'doses', { appointment_id, lot_id, site: 'LA', route: 'IM' });
  const adverse_event = await add(chief, 'adverse-events', {
    dose_id,
    code: 'fever',
    severity: 'mild',
    is_serious: false,
    onset_at: new Date(),
  });
  return {
    vaccine: vaccine_id,
    centre: centre_id,
    lot: lot_id,
    recall,
    vaccination_session: session_id,
    registration: registration_id,
    appointment: appointment_id,
    dose: dose_id,
    adverse_event,
  };
}
