import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rotateNationalIds } from '../../../src/cli/rotate-national-ids.js';
import { UserNationalIdsService } from '../../../src/users/user-national-ids.service.js';
import { RegistrationKeysService } from '../../../src/vaccination/registrations/registration-keys.service.js';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { nationalId, person } from '../../support/vaccination/vaccination.js';

const PATH = '/api/vaccination/registrations';
const key = () => randomBytes(32).toString('hex');
const [oldKey, newKey, oldIndexKey, newIndexKey] = [key(), key(), key(), key()];

/** A process before the change of keys, which accepts the next ones already, and one after it. */
let before: TestApp;
let after: TestApp;
beforeAll(async () => {
  const SECRET_KEY = key();
  before = await startApp({
    env: {
      SECRET_KEY,
      NATIONAL_ID_KEY: oldKey,
      NATIONAL_ID_INDEX_KEY: oldIndexKey,
      ACCEPTED_NATIONAL_ID_KEYS: newKey,
      ACCEPTED_NATIONAL_ID_INDEX_KEYS: newIndexKey,
    },
  });
  after = await startApp({
    database: before.connection,
    env: {
      SECRET_KEY,
      NATIONAL_ID_KEY: newKey,
      NATIONAL_ID_INDEX_KEY: newIndexKey,
      ACCEPTED_NATIONAL_ID_KEYS: oldKey,
      ACCEPTED_NATIONAL_ID_INDEX_KEYS: oldIndexKey,
    },
  });
});
afterAll(async () => {
  await after.stop();
  await before.stop();
});

const register = (app: TestApp, token: string, fields: object) =>
  app.request('POST', PATH, { token, body: person(fields) });

/** Users of the vaccine registration, with their national ids. */
async function createUsers(count: number) {
  const users = [];
  for (let i = 0; i < count; i++) {
    const [email, nid] = [`${randomBytes(4).toString('hex')}@example.org`, nationalId()];
    const body = { name: 'Noor', email, nid, password: PASSWORD, phone_number: '01700000000' };
    await before.request('POST', '/api/create', { body });
    users.push({ nid, token: await before.signIn(email, PASSWORD) });
  }
  return users;
}

it('a person who is registered under the former index key is found under the new one, and the other way round', async () => {
  for (const [first, second] of [
    [before, after],
    [after, before],
  ] as const) {
    const id_number = nationalId();
    expect((await register(first, (await before.user()).token, { id_number })).status).toBe(201);
    const { body } = await register(second, (await before.user()).token, { id_number: `1990${id_number}` });
    expect(body.code).toBe('person_registered');
  }
});

it('20 registrations of one person at once through processes with different keys make one', async () => {
  const tokens = await Promise.all(Array.from({ length: 20 }, async () => (await before.user()).token));
  await Promise.all([before.warmUp(), after.warmUp()]);
  for (let round = 0; round < 3; round++) {
    const fields = { id_number: nationalId(), is_dependant: true };
    const answers = await Promise.all(
      tokens.map((token, index) => register(index % 2 === 0 ? before : after, token, fields)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'person_registered')).toHaveLength(19);
  }
});

it('two rotations at once, after one that was stopped, renew every row while people register', async () => {
  const users = await createUsers(5);
  const owner = await before.user();
  const id_number = nationalId();
  const { body: registration } = await register(before, owner.token, { id_number: `1990${id_number}` });
  const [userKeys, registrationKeys] = [after.app.get(UserNationalIdsService), after.app.get(RegistrationKeysService)];
  const first = '00000000-0000-0000-0000-000000000000';
  expect((await userKeys.renewBatch(first, 2)).renewed).toBe(2); // and then it was stopped
  expect((await registrationKeys.renewBatch(first, 2)).renewed).toBe(2);

  const former = (await userKeys.countFormer()) + (await registrationKeys.countFormer());
  expect(former).toBeGreaterThanOrEqual(3);
  const newcomers = Array.from({ length: 10 }, async () => register(after, (await before.user()).token, {}));
  const [one, two] = await Promise.all([rotateNationalIds(after.app), rotateNationalIds(after.app)]);
  expect((await Promise.all(newcomers)).map(({ status }) => status)).toEqual(newcomers.map(() => 201));
  expect([one.failed, two.failed]).toEqual([0, 0]);
  expect(one.renewed + two.renewed).toBe(former);
  expect([await userKeys.countFormer(), await registrationKeys.countFormer()]).toEqual([0, 0]);
  expect(await rotateNationalIds(after.app)).toEqual({ renewed: 0, failed: 0 });

  for (const app of [before, after]) {
    for (const { nid, token } of users) {
      expect((await app.request('GET', '/api/profile', { token })).body).toMatchObject({ nid });
    }
    expect((await register(app, (await before.user()).token, { id_number })).body.code).toBe('person_registered');
  }
  const path = `${PATH}/${registration.id}`;
  const body = { date_of_birth: '1991-01-01' }; // which the encrypted number contradicts
  expect((await after.request('PATCH', path, { token: owner.token, body })).body.code).toBe('validation_failed');
});

it('rows of a key that is not configured, and rows that were copied from others, are counted and left as they are', async () => {
  const owner = await before.user();
  const { body } = await register(after, owner.token, {});
  const registrationKeys = before.app.get(RegistrationKeysService);
  await before.dataSource.query(`update vaccination_registrations set id_number = '\\x01020304ff' where id = $1`, [
    body.id,
  ]);
  const { failed } = await rotateNationalIds(after.app);
  expect(failed).toBe(1);
  await after.dataSource.query(
    `update vaccination_registrations set id_number = (
      select id_number from vaccination_registrations where id <> $1 limit 1) where id = $1`,
    [body.id],
  );
  expect((await rotateNationalIds(before.app)).failed).toBe(1);
  expect(await registrationKeys.countFormer()).toBe(1);
});
