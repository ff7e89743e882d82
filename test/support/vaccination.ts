import type { SignedInUser, TestApp } from './app.js';

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

  return { manager, create, vaccine, centre, staff, session };
}
