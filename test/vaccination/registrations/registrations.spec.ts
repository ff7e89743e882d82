import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { nationalId, person, vaccinationWorld } from '../../support/vaccination/vaccination.js';
import { recordDose } from '../../support/vaccination/vaccination-doses.js';

const PATH = '/api/vaccination/registrations';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
let verifier: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  world = await vaccinationWorld(t);
  verifier = await t.user('verify_registrations');
});
afterAll(() => t.stop());

const register = ({ token }: { token: string }, fields: object = {}) =>
  t.request('POST', PATH, { token, body: person(fields) });

/** The audit events about a record, oldest first. */
const events = (id: string) =>
  t.dataSource.query<{ action: string; actor_id: string; details: object }[]>(
    'select action, actor_id, details from audit_events where subject_id = $1 order by id',
    [id],
  );

describe('POST /api/vaccination/registrations', () => {
  it('registers the caller, masks the id number and normalises the phone number', async () => {
    const user = await t.user();
    const { status, headers, body } = await register(user, {
      id_number: '১৯৯০-2612 3456৭ 8901',
      phone: '০1712-345678',
      legal_name: ' Hana Sato ',
      sex: 'female',
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`${PATH}/${body.id}`);
    expect(body).toEqual({
      id: body.id,
      is_dependant: false,
      legal_name: 'Hana Sato',
      date_of_birth: '1990-04-01',
      sex: 'female',
      id_type: 'NID',
      id_number: '*******8901',
      phone: '+8801712345678',
      status: 'pending',
      rejection_reason: null,
      decided_at: null,
      version: 1,
      created_at: body.created_at,
      updated_at: body.created_at,
    });
    expect((await t.request('GET', `${PATH}/${body.id}`, { token: user.token })).body).toEqual(body);
    expect(await events(body.id)).toEqual([{ action: 'registration.created', actor_id: user.id, details: {} }]);
  });

  it.each<[string, object]>([
    ['id_number', { id_number: '123456789' }],
    ['id_number', { id_number: '12345678901' }],
    ['id_number', { id_number: '1234567890x' }],
    ['id_number', { id_number: '19910123456789012' }],
    ['id_number', { id_number: '1990 2612 3456 78901'.repeat(4) }],
    ['id_number', { id_number: 1234567890 }],
    ['id_number', { id_number: '' }],
    ['id_number', { id_type: 'BIRTH_REG', id_number: '1234567890123' }],
    ['id_number', { id_type: 'PASSPORT', id_number: 'AB123' }],
    ['id_number', { id_type: 'PASSPORT', id_number: 'AB12345678901' }],
    ['id_number', { id_type: 'PASSPORT', id_number: 'АB123456' }], // Cyrillic
    ['id_type', { id_type: 'nid' }],
    ['id_type', { id_type: undefined }],
    ['legal_name', { legal_name: ' ' }],
    ['legal_name', { legal_name: 'x'.repeat(151) }],
    ['legal_name', { legal_name: 'Hana 1990 2612 3456 78901' }],
    ['date_of_birth', { date_of_birth: '1990-02-30' }],
    ['date_of_birth', { date_of_birth: '2999-01-01' }],
    ['date_of_birth', { date_of_birth: null }],
    ['sex', { sex: 'x' }],
    ['phone', { phone: '0171234567' }],
    ['phone', { phone: '+1 555 0100' }],
    ['phone', { phone: '1'.repeat(100_00) }],
    ['phone', { phone: '01712345678 ext. 5' }],
    ['is_dependant', { is_dependant: 'true' }],
  ])('answers 422 about %s for %j, without repeating the number', async (path, fields) => {
    const { status, body, text } = await register(verifier, fields);
    expect([status, body.code]).toEqual([422, 'validation_failed']);
    expect(body.errors!.map((error) => error.path)).toContain(path);
    const number = (fields as { id_number?: unknown }).id_number;
    if (typeof number === 'string' && number !== '') expect(text).not.toContain(number);
  });

  it('accepts a date of birth of today in Dhaka and refuses tomorrow', async () => {
    const owner = await t.user();
    const today = new Date(t.clock.now() + 6 * 3_600_000).toISOString().slice(0, 10);
    const tomorrow = new Date(t.clock.now() + 30 * 3_600_000).toISOString().slice(0, 10);
    expect((await register(owner, { date_of_birth: tomorrow })).status).toBe(422);
    expect((await register(owner, { date_of_birth: today })).status).toBe(201);
  });

  it.each<[string, string, string]>([
    ['NID', '2612345678902', '1990 2612-3456 78902'],
    ['NID', '19902612345678903', '২৬১২৩৪৫৬৭৮৯০৩'],
    ['NID', '1234567890', '１２３４５６７８９０'],
    ['NID', '2345678901', '\u200f23456\u00ad78901\ufeff'],
    ['BIRTH_REG', '19902612345678904', '1990.26'.replace('.', '\u2212') + '12345678904'],
    ['PASSPORT', 'AB1234567', 'ab 123-4567'],
  ])('answers 409 person_registered for the %s %s in the spelling %s', async (id_type, number, spelling) => {
    expect((await register(await t.user(), { id_type, id_number: number })).status).toBe(201);
    const { status, body } = await register(await t.user(), { id_type, id_number: spelling });
    expect([status, body.code]).toEqual([409, 'person_registered']);
  });

  it('takes the same digits of another type for another person', async () => {
    const [id_number, passport] = ['19902612345678905', '2612345679'];
    for (const fields of [
      { id_number },
      { id_type: 'BIRTH_REG', id_number },
      { id_number: passport },
      { id_type: 'PASSPORT', id_number: passport },
    ]) {
      expect((await register(await t.user(), fields)).status).toBe(201);
    }
  });

  it('answers 409 registration_exists for a second registration of the caller', async () => {
    const { owner } = await world.registration();
    const { status, body } = await register(owner);
    expect([status, body.code]).toEqual([409, 'registration_exists']);
  });

  it('registers four dependants and answers 409 too_many_dependants for the fifth', async () => {
    const owner = await t.user();
    for (let i = 0; i < 4; i++) {
      const { body } = await register(owner, {
        is_dependant: true,
        id_type: 'BIRTH_REG',
        id_number: `2020${nationalId()}`,
      });
      expect(body).toMatchObject({ is_dependant: true, status: 'pending' });
    }
    const { status, body } = await register(owner, { is_dependant: true });
    expect([status, body.code]).toEqual([409, 'too_many_dependants']);
    expect((await register(owner)).status).toBe(201);
    const own = await t.request('GET', `${PATH}/me`, { token: owner.token });
    expect(own.body.items.map(({ is_dependant }) => is_dependant)).toEqual([false, true, true, true, true]);
  });

  it('answers 409 person_registered when a second guardian registers the same dependant', async () => {
    const fields = { is_dependant: true, id_number: nationalId() };
    expect((await register(await t.user(), fields)).status).toBe(201);
    expect((await register(await t.user(), fields)).body.code).toBe('person_registered');
  });

  it('takes the id number of a rejected registration, which then cannot become pending again', async () => {
    const { id, owner } = await world.registration({ status: 'pending' });
    const id_number = nationalId();
    await t.request('PATCH', `${PATH}/${id}`, { token: owner.token, body: { id_number } });
    const body = { reason: 'The number is that of another person.' };
    await t.request('POST', `${PATH}/${id}/reject`, { token: verifier.token, body });
    expect((await register(await t.user(), { id_number })).status).toBe(201);
    const again = await t.request('PATCH', `${PATH}/${id}`, { token: owner.token, body: { legal_name: 'Again' } });
    expect([again.status, again.body.code]).toEqual([409, 'person_registered']);
  });
});

describe('PATCH /api/vaccination/registrations/{id}', () => {
  const patch = (id: string, { token }: { token: string }, body: object) =>
    t.request('PATCH', `${PATH}/${id}`, { token, body });

  it('corrects a rejected registration, which is pending again', async () => {
    const { id, owner } = await world.registration({ status: 'pending' });
    const reason = 'The name differs from the document.';
    const rejected = await t.request('POST', `${PATH}/${id}/reject`, { token: verifier.token, body: { reason } });
    expect(rejected.body).toMatchObject({ status: 'rejected', rejection_reason: reason });
    const { status, body } = await patch(id, owner, { legal_name: 'Hana Tanaka', sex: null });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      legal_name: 'Hana Tanaka',
      status: 'pending',
      rejection_reason: null,
      decided_at: null,
    });
    expect((await events(id)).at(-1)).toMatchObject({
      action: 'registration.changed',
      details: { fields: ['legal_name', 'sex'] },
    });
  });

  it('checks the year in a stored NID of 17 digits against a new date of birth', async () => {
    const { id, owner } = await world.registration({ status: 'pending', id_number: `1990${nationalId()}` });
    expect((await patch(id, owner, { date_of_birth: '1991-04-01' })).body).toMatchObject({ code: 'validation_failed' });
    expect((await patch(id, owner, { date_of_birth: '1990-12-31' })).status).toBe(200);
  });

  it('changes only the phone number of a verified registration, which stays verified', async () => {
    const { id, owner } = await world.registration();
    const { body } = await patch(id, owner, { phone: '+81 3-1234-5678' });
    expect(body).toMatchObject({ phone: '+81312345678', status: 'verified' });
    for (const fields of [{ legal_name: 'Other' }, { date_of_birth: '1980-01-01' }, { id_number: nationalId() }]) {
      const { status, body: problem } = await patch(id, owner, fields);
      expect([status, problem.code]).toEqual([409, 'registration_decided']);
    }
  });

  it('keeps the id number of a person who got a dose, so that the record cannot be handed to another person', async () => {
    const id_number = nationalId();
    const { id, owner } = await world.registration({ id_number });
    const { id: doseId } = await recordDose(t, world, owner, { registrationId: id });
    const { token } = owner;
    expect((await t.request('POST', `${PATH}/${id}/withdraw`, { token })).body.status).toBe('withdrawn');
    const others = [
      { id_number: nationalId() },
      { id_type: 'PASSPORT', id_number: 'AB1234567' },
      person({ legal_name: 'Other' }),
    ];
    for (const fields of others) {
      expect((await patch(id, owner, fields)).body).toMatchObject({ status: 409, code: 'registration_decided' });
    }
    const corrected = await patch(id, owner, { legal_name: 'Hana Tanaka', id_number: `1990${id_number}` });
    expect(corrected.body).toMatchObject({ legal_name: 'Hana Tanaka', status: 'pending' });
    await t.dataSource.query(
      `update vaccination_doses set status = 'entered_in_error', error_at = now(), error_reason = 'x' where id = $1`,
      [doseId],
    );
    expect((await patch(id, owner, { id_number: nationalId() })).status).toBe(200);
  });

  it('answers 409 person_registered for the id number of another person', async () => {
    const id_number = nationalId();
    await register(await t.user(), { id_number });
    const { id, owner } = await world.registration({ status: 'pending' });
    expect((await patch(id, owner, { id_number: `1990${id_number}` })).body.code).toBe('person_registered');
  });

  it('answers 404 to every other user, to the staff too', async () => {
    const { id } = await world.registration();
    for (const other of [await t.user(), verifier, world.manager]) {
      expect((await patch(id, other, { phone: '01712345679' })).body.code).toBe('registration_not_found');
    }
  });
});

describe('the decision about a registration', () => {
  const decide = (id: string, decision: string, token: string, body?: object) =>
    t.request('POST', `${PATH}/${id}/${decision}`, { token, body });

  it('is made once: a second one answers 409 registration_decided', async () => {
    const { id } = await world.registration({ status: 'pending' });
    const { status, body } = await decide(id, 'verify', verifier.token);
    expect([status, body.status, body.decided_at]).toEqual([200, 'verified', expect.stringMatching(/Z$/)]);
    const second = [
      await decide(id, 'verify', verifier.token),
      await decide(id, 'reject', verifier.token, { reason: 'Too late' }),
    ];
    expect(second.map(({ body: problem }) => problem.code)).toEqual(['registration_decided', 'registration_decided']);
    expect((await events(id)).map(({ action }) => action)).toEqual(['registration.created', 'registration.verified']);
  });

  it('answers 412 version_conflict about a version that the owner has changed since the staff read it', async () => {
    const { id, owner } = await world.registration({ status: 'pending' });
    const { version } = (await t.request('GET', `${PATH}/${id}?reason=Verification`, verifier)).body;
    await t.request('PATCH', `${PATH}/${id}`, { token: owner.token, body: { legal_name: 'Another Person' } });
    const late = [
      await decide(id, 'verify', verifier.token, { version }),
      await decide(id, 'reject', verifier.token, { version, reason: 'Too late' }),
      await t.request('POST', `${PATH}/${id}/verify`, {
        token: verifier.token,
        headers: { 'if-match': `"${version}"` },
      }),
    ];
    expect(late.map(({ body }) => body.code)).toEqual(['version_conflict', 'version_conflict', 'version_conflict']);
    const { body } = await decide(id, 'verify', verifier.token, { version: version + 1 });
    expect(body).toMatchObject({ status: 'verified', legal_name: 'Another Person', version: version + 2 });
  });

  it('is refused with 403 about registrations of the caller', async () => {
    const staff = await t.user('verify_registrations');
    const { id } = await world.registration({ status: 'pending', owner: staff });
    expect((await decide(id, 'verify', staff.token)).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await decide(id, 'verify', verifier.token)).status).toBe(200);
  });

  it('needs a reason for a rejection, without an id number in it', async () => {
    const { id } = await world.registration({ status: 'pending' });
    for (const reason of [undefined, '', 'no', 'It is 1990 2612 3456 78901.', 'It is ১৯৯০২৬১২৩৪.', 'x'.repeat(301)]) {
      expect((await decide(id, 'reject', verifier.token, { reason })).status).toBe(422);
    }
    const reason = 'Bring the card on 2027-01-18 at 09:00.';
    expect((await decide(id, 'reject', verifier.token, { reason })).status).toBe(200);
  });

  it('is withdrawn by the owner only while the registration is verified, and a change asks for verification again', async () => {
    const { id, owner } = await world.registration({ status: 'pending' });
    expect((await decide(id, 'withdraw', owner.token)).body.code).toBe('registration_decided');
    await decide(id, 'verify', verifier.token);
    expect((await decide(id, 'withdraw', verifier.token)).body.code).toBe('registration_not_found');
    expect((await decide(id, 'withdraw', owner.token)).body.status).toBe('withdrawn');
    expect((await decide(id, 'verify', verifier.token)).body.code).toBe('registration_decided');
    const { body } = await t.request('PATCH', `${PATH}/${id}`, { token: owner.token, body: { sex: 'other' } });
    expect(body.status).toBe('pending');
  });
});

describe('reading registrations as staff', () => {
  const read = (id: string, { token }: { token: string }, query = '?reason=Checks%20the%20document') =>
    t.request('GET', `${PATH}/${id}${query}`, { token });

  it('needs a reason, shows the masked number, and is written to the audit log', async () => {
    const { id, id_number } = await world.registration();
    expect((await read(id, verifier, '')).body).toMatchObject({ code: 'validation_failed' });
    const { status, body } = await read(id, verifier);
    expect([status, body.id_number]).toEqual([200, id_number]);
    expect((await events(id)).slice(2)).toEqual([
      { action: 'registration.viewed', actor_id: verifier.id, details: { reason: 'Checks the document' } },
    ]);
  });

  it('answers 404 to users without a relation to the person, also to catalogue managers', async () => {
    const { id } = await world.registration();
    for (const other of [await t.user(), world.manager]) expect((await read(id, other)).status).toBe(404);
    expect((await events(id)).map(({ action }) => action)).not.toContain('registration.viewed');
  });

  it('is open to the staff of a centre where the person has an appointment that is not cancelled', async () => {
    const { id } = await world.registration();
    const session = await world.session();
    const registrar = await world.staff(session.centre.id, 'registrar');
    const other = await world.staff((await world.centre()).id, 'manager');
    expect((await read(id, registrar)).status).toBe(404);
    await t.dataSource.query(
      `insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
        values (gen_random_uuid(), $1, $2, '840539006', 1, 'booked', now(), now())`,
      [id, session.id],
    );
    expect([(await read(id, registrar)).status, (await read(id, other)).status]).toEqual([200, 404]);
    expect((await events(id)).at(-1)).toMatchObject({ action: 'registration.viewed', actor_id: registrar.id });
    await t.dataSource.query(`update vaccination_appointments set status = 'cancelled' where registration_id = $1`, [
      id,
    ]);
    expect((await read(id, registrar)).status).toBe(404);
  });

  it('lists registrations by status in pages and writes each record read to the audit log', async () => {
    const pending = [];
    for (let i = 0; i < 3; i++) pending.push((await world.registration({ status: 'pending' })).id);
    const list = (query: string) => t.request('GET', `${PATH}?${query}`, { token: verifier.token });
    expect((await list('status=pending')).status).toBe(422);
    const first = await list('status=pending&limit=2&reason=Daily%20check');
    const second = await list(`status=pending&limit=1&reason=Daily%20check&cursor=${first.body.next_cursor}`);
    const seen = [...first.body.items, ...second.body.items].map(({ id }) => id);
    expect(seen).toEqual(pending.toReversed());
    for (const id of seen) {
      expect((await events(id)).at(-1)).toEqual({
        action: 'registration.viewed',
        actor_id: verifier.id,
        details: { reason: 'Daily check' },
      });
    }
    expect((await list('reason=Daily%20check&cursor=x')).body.code).toBe('invalid_cursor');
  });
});
