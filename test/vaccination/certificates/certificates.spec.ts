import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CertificatesService } from '../../../src/vaccination/certificates/certificates.service.js';
import { isUvci } from '../../../src/vaccination/certificates/formats/uvci.js';
import { type SignedInUser, startApp, type TestApp } from '../../support/app.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';
import { recordDose } from '../../support/vaccination/vaccination-doses.js';

const DAY_MS = 86_400_000;

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
beforeAll(async () => {
  t = await startApp({ env: { CERTIFICATE_ISSUER: 'Ministry of Tests' } });
  t.clock.set(Date.parse('2027-01-18T05:00:00Z'));
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());

const create = (user: SignedInUser, dose_id: string) =>
  t.request('POST', '/api/vaccination/certificates', { token: user.token, body: { dose_id } });
const list = async (user: SignedInUser) =>
  (await t.request('GET', '/api/vaccination/certificates/me', { token: user.token })).body.items;
const verify = async (qr: unknown) =>
  (await t.request('POST', '/api/vaccination/certificates/verify', { body: { qr } })).body;

describe('POST /api/vaccination/certificates', () => {
  it('issues the certificate of a dose and answers the same one afterwards', async () => {
    const owner = await t.user();
    const dose = await recordDose(t, world, owner, { given_at: new Date('2027-01-17T18:30:00Z') });
    const first = await create(owner, dose.id);
    expect(first.status).toBe(201);
    expect(first.headers.get('location')).toBe(`/api/vaccination/certificates/${first.body.id}`);
    expect(first.body).toMatchObject({
      dose_id: dose.id,
      status: 'valid',
      family_name: 'Uddin',
      given_names: 'Md. Rahim',
      latin_name: 'UDDIN<<MD<RAHIM',
      date_of_birth: '1990-04-01',
      disease: '840539006',
      product: 'Comirnaty',
      manufacturer: 'Biontech Manufacturing GmbH',
      dose: 1,
      doses: 2,
      given_on: '2027-01-18', // half past midnight in Dhaka
      country: 'BD',
      issuer: 'Ministry of Tests',
      issued_at: '2027-01-18T05:00:00.000Z',
      expires_at: '2028-01-18T05:00:00.000Z',
      revoked_at: null,
    });
    expect(isUvci(first.body.uvci)).toBe(true);
    const second = await create(owner, dose.id);
    expect([second.status, second.body]).toEqual([200, first.body]);
    const read = await t.request('GET', `/api/vaccination/certificates/${first.body.id}`, { token: owner.token });
    expect(read.body).toEqual(first.body);
    expect(await list(owner)).toEqual([first.body]);
  });

  it('contains nothing of the national id', async () => {
    const owner = await t.user();
    const { body } = await create(owner, (await recordDose(t, world, owner)).id);
    const [row] = await t.dataSource.query('select c::text as text from vaccination_certificates c where id = $1', [
      body.id,
    ]);
    expect(JSON.stringify(body) + row.text).not.toMatch(/id_number|id_hash|last4|"1234"/);
  });

  it('issues one certificate to 20 requests at once', async () => {
    const owner = await t.user();
    const dose = await recordDose(t, world, owner);
    await t.warmUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(owner, dose.id)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      ...Array<number>(19).fill(200),
      201,
    ]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await list(owner)).toHaveLength(1);
  });

  it('replaces and revokes a certificate that expires within 30 days', async () => {
    const owner = await t.user();
    const dose = await recordDose(t, world, owner);
    const first = (await create(owner, dose.id)).body;
    t.clock.advance(334 * DAY_MS);
    owner.token = await t.signIn(owner.username, owner.password);
    expect((await create(owner, dose.id)).body.id).toBe(first.id);
    t.clock.advance(DAY_MS);
    owner.token = await t.signIn(owner.username, owner.password);
    const second = await create(owner, dose.id);
    expect(second.status).toBe(201);
    expect((await list(owner)).map(({ id, status }) => [id, status])).toEqual([
      [second.body.id, 'valid'],
      [first.id, 'revoked'],
    ]);
    expect(await verify(first.hcert)).toEqual({ valid: false, reason: 'revoked', certificate: null });
    t.clock.advance(366 * DAY_MS);
    owner.token = await t.signIn(owner.username, owner.password);
    expect((await list(owner)).map(({ status }) => status)).toEqual(['expired', 'revoked']);
    t.clock.set(Date.parse('2027-01-18T05:00:00Z'));
  });

  it.each([
    [
      'the registration',
      `update vaccination_registrations set legal_name = 'Rahim Ahmed', updated_at = $2 where id = $1`,
    ],
    [
      'the vaccine',
      `update vaccines set cvx_code = '207', updated_at = $2 where id = (select vaccine_id from vaccination_doses where registration_id = $1)`,
    ],
  ])('replaces a certificate after a correction of %s', async (_, statement) => {
    const owner = await t.user();
    const { id, registration_id } = await recordDose(t, world, owner);
    const first = (await create(owner, id)).body;
    await t.dataSource.query(statement, [registration_id, new Date(t.clock.now() + 1)]);
    t.clock.advance(1000);
    const second = await create(owner, id);
    expect([second.status, second.body.id === first.id]).toEqual([201, false]);
    expect((await verify(first.hcert)).reason).toBe('revoked');
    expect((await create(owner, id)).body.id).toBe(second.body.id);
  });

  it('answers 422 registration_not_verified for a name that waits for verification, and certifies it afterwards', async () => {
    const { id: registrationId, owner } = await world.registration();
    const { id } = await recordDose(t, world, owner, { registrationId });
    const first = (await create(owner, id)).body;
    const path = `/api/vaccination/registrations/${registrationId}`;
    expect((await t.request('POST', `${path}/withdraw`, { token: owner.token })).status).toBe(200);
    expect((await create(owner, id)).body.id).toBe(first.id);
    const body = { legal_name: 'Another Person' };
    expect((await t.request('PATCH', path, { token: owner.token, body })).status).toBe(200);
    expect((await create(owner, id)).body).toMatchObject({ status: 422, code: 'registration_not_verified' });
    expect((await verify(first.hcert)).reason).toBeNull();
    const { token } = await t.user('verify_registrations');
    expect((await t.request('POST', `${path}/verify`, { token })).status).toBe(200);
    expect((await create(owner, id)).status).toBe(201);
    expect((await verify(first.hcert)).reason).toBe('revoked');
  });

  it('keeps a certificate when something changes that it does not state', async () => {
    const owner = await t.user();
    const { id, registration_id } = await recordDose(t, world, owner);
    const first = (await create(owner, id)).body;
    t.clock.advance(1000);
    const path = `/api/vaccination/registrations/${registration_id}` as const;
    const { status } = await t.request('PATCH', path, { token: owner.token, body: { phone: '01812345678' } });
    expect(status).toBe(200);
    await t.dataSource.query(
      `update vaccines set is_active = false, updated_at = $2
        where id = (select vaccine_id from vaccination_doses where id = $1)`,
      [id, t.clock.date()],
    );
    t.clock.advance(1000);
    const second = await create(owner, id);
    expect([second.status, second.body.id]).toEqual([200, first.id]);
    expect((await verify(first.hcert)).valid).toBe(true);
  });

  it('answers 404 for doses of others, doses in error and doses that do not exist', async () => {
    const [owner, other] = [await t.user(), await t.user()];
    const dose = await recordDose(t, world, owner);
    expect((await create(other, dose.id)).body).toMatchObject({ code: 'dose_not_found' });
    expect((await create(owner, '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60')).body).toMatchObject({
      code: 'dose_not_found',
    });
    await t.dataSource.query(
      `update vaccination_doses set status = 'entered_in_error', error_at = $2, error_reason = 'x' where id = $1`,
      [dose.id, t.clock.date()],
    );
    expect((await create(owner, dose.id)).body).toMatchObject({ code: 'dose_not_found' });
  });

  it('audits the certificate without what it states', async () => {
    const owner = await t.user();
    const dose = await recordDose(t, world, owner);
    const { body } = await create(owner, dose.id);
    const audit = await t.request('GET', `/api/audit?subject_id=${body.id}`, { token: await t.asAdmin() });
    expect(audit.body.items).toMatchObject([
      {
        action: 'vaccination_certificate.issued',
        actor_id: owner.id,
        details: { dose_id: dose.id, replaces: null },
      },
    ]);
    expect(t.logLines.join('')).not.toContain('HC1:');
  });
});

describe('the certificates of a user', () => {
  it('include those of dependants, newest first, in pages', async () => {
    const owner = await t.user();
    for (const place of [0, 1, 2]) {
      await create(owner, (await recordDose(t, world, owner, { place, legal_name: `Person ${'ABC'[place]}` })).id);
    }
    const page = await t.request('GET', '/api/vaccination/certificates/me?limit=2', { token: owner.token });
    expect(page.body.items.map(({ family_name }) => family_name)).toEqual(['C', 'B']);
    const next = await t.request('GET', `/api/vaccination/certificates/me?limit=2&cursor=${page.body.next_cursor}`, {
      token: owner.token,
    });
    expect([next.body.items.map(({ family_name }) => family_name), next.body.next_cursor]).toEqual([['A'], null]);
  });

  it.each(['', '.png', '.svg', '.pdf', '.smart-health-card'])('are hidden from others (suffix %j)', async (suffix) => {
    const [owner, other] = [await t.user(), await t.user()];
    const { body } = await create(owner, (await recordDose(t, world, owner)).id);
    const path = `/api/vaccination/certificates/${body.id}${suffix}`;
    expect((await t.request('GET', path, { token: owner.token })).status).toBe(200);
    expect((await t.request('GET', path, { token: other.token })).body).toMatchObject({
      code: 'certificate_not_found',
    });
    expect((await t.request('GET', path, { token: world.manager.token })).status).toBe(404);
    expect((await t.request('GET', path)).status).toBe(401);
  });
});

describe('CertificatesService', () => {
  const inTransaction = (work: (service: CertificatesService, manager: EntityManager) => Promise<void>) =>
    t.dataSource.manager.transaction((manager) => work(t.app.get(CertificatesService), manager));

  it('issueForDose issues a certificate together with the record of the dose, or not at all', async () => {
    const owner = await t.user();
    const dose = await recordDose(t, world, owner);
    const failure = inTransaction(async (service, manager) => {
      await service.issueForDose(manager, dose.id);
      throw new Error('The record failed');
    });
    await expect(failure).rejects.toThrow('The record failed');
    expect(await list(owner)).toEqual([]);
    await inTransaction((service, manager) => service.issueForDose(manager, dose.id));
    expect(await list(owner)).toHaveLength(1);
  });

  it('revokeForDose revokes the certificate with the transaction, and its files are gone', async () => {
    const owner = await t.user();
    const dose = await recordDose(t, world, owner);
    const { body } = await create(owner, dose.id);
    const rolledBack = inTransaction(async (service, manager) => {
      await service.revokeForDose(manager, dose.id);
      throw new Error('The correction failed');
    });
    await expect(rolledBack).rejects.toThrow('The correction failed');
    expect(await verify(body.shc)).toMatchObject({ valid: true });
    await inTransaction((service, manager) => service.revokeForDose(manager, dose.id));
    expect(await list(owner)).toMatchObject([{ status: 'revoked', revoked_at: t.clock.date().toISOString() }]);
    expect((await verify(body.hcert)).reason).toBe('revoked');
    expect((await verify(body.shc)).reason).toBe('revoked');
    for (const suffix of ['.png', '.svg', '.pdf', '.smart-health-card']) {
      const file = await t.request('GET', `/api/vaccination/certificates/${body.id}${suffix}`, { token: owner.token });
      expect([file.status, file.body['code']]).toEqual([409, 'certificate_revoked']);
    }
  });
});
