import { randomInt } from 'node:crypto';
import type { SignedInUser, TestApp } from '../app.js';

const DAY_MS = 86_400_000;

let counter = 0;

export const VACCINE = {
  name: 'Testvax',
  manufacturer: 'Test Works',
  disease: '840539006',
  min_age_months: 144,
  doses: [
    { min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 },
    { min_interval_days: 28, recommended_interval_days: 56, grace_days: 4 },
  ],
};

export const CENTRE = {
  name: 'Test Centre',
  address: 'Road 7, Dhanmondi',
  district: 'Dhaka',
  latitude: 23.7461,
  longitude: 90.3742,
};

/** A random national id of 13 digits. */
export const nationalId = (): string => Array.from({ length: 13 }, () => randomInt(1, 10)).join('');

/** What a person sends to register; with a new national id. */
export const person = (fields: object = {}) => ({
  legal_name: 'Test Person',
  date_of_birth: '1990-04-01',
  id_type: 'NID',
  id_number: nationalId(),
  phone: '01712345678',
  ...fields,
});

/** Makes what vaccination tests need, each with a code of its own. `manager` has the permission manage_vaccines. */
export async function vaccinationWorld(t: TestApp) {
  const manager: SignedInUser = await t.user('manage_vaccines');

  async function create<Path extends string>(path: Path, body: object) {
    const answer = await t.request('POST', path, { token: manager.token, body });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  const vaccine = (fields: object = {}) =>
    create('/api/vaccination/vaccines', { code: `V${++counter}`, ...VACCINE, ...fields });

  const centre = (fields: object = {}) =>
    create('/api/vaccination/centres', { code: `C${++counter}`, ...CENTRE, ...fields });

  /** A user with a role at a centre. */
  async function staff(centreId: string, role: 'manager' | 'vaccinator' | 'registrar'): Promise<SignedInUser> {
    const user = await t.user();
    const path = `/api/vaccination/centres/${centreId}/staff/${user.id}`;
    const { status } = await t.request('PUT', path, { token: manager.token, body: { role } });
    if (status !== 204) throw new Error(`PUT ${path}: ${status}`);
    return user;
  }

  /** A session in `days` days; open unless `status` is `draft`. */
  async function session({
    days = 7,
    status = 'open',
    ...fields
  }: { days?: number; status?: string; [name: string]: unknown } = {}) {
    const starts = t.clock.now() + days * DAY_MS;
    const created = await create('/api/vaccination/sessions', {
      centre_id: fields['centre_id'] ?? (await centre()).id,
      vaccine_id: fields['vaccine_id'] ?? (await vaccine()).id,
      starts_at: new Date(starts).toISOString(),
      ends_at: new Date(starts + 3 * 3_600_000).toISOString(),
      opens_at: new Date(t.clock.now() - DAY_MS).toISOString(),
      capacity: 10,
      ...fields,
    });
    if (status === 'open') {
      await t.request('POST', `/api/vaccination/sessions/${created.id}/open`, { token: manager.token });
    }
    return created;
  }

  let verifier: SignedInUser | undefined;

  /** A registration of a new user or of `owner`: verified, unless `status` is `pending`. Returns it with its owner. */
  async function registration({
    owner,
    status = 'verified',
    ...fields
  }: { owner?: SignedInUser; status?: 'pending' | 'verified'; [name: string]: unknown } = {}) {
    const user = owner ?? (await t.user());
    const path = '/api/vaccination/registrations';
    const { status: created, body, text } = await t.request('POST', path, { token: user.token, body: person(fields) });
    if (created !== 201) throw new Error(`POST ${path}: ${created} ${text}`);
    if (status === 'verified') {
      verifier ??= await t.user('verify_registrations');
      await t.request('POST', `${path}/${body.id}/verify`, { token: verifier.token });
    }
    return { ...body, status, owner: user };
  }

  return { manager, registration, create, vaccine, centre, staff, session };
}
