import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { nationalId, person } from '../../support/vaccination/vaccination.js';

const PATH = '/api/vaccination/registrations';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
  await t.warmUp();
});
afterAll(() => t.stop());

const count = (where: string, value: unknown) =>
  t.dataSource.query(`select count(*)::int as count from vaccination_registrations where ${where}`, [value]);

describe('20 registrations at once', () => {
  it('of one person in several spellings by 20 accounts make one registration, and 19 answer 409', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => t.user()));
    const number = nationalId();
    const spellings = [number, `1990${number}`, `1990-${number.slice(0, 6)} ${number.slice(6)}`];
    const answers = await Promise.all(
      users.map(({ token }, index) =>
        t.request('POST', PATH, {
          token,
          body: person({ id_number: spellings[index % 3], is_dependant: index % 2 === 0 }),
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'person_registered')).toHaveLength(19);
    expect(await count('id_last4 = $1', number.slice(-4))).toEqual([{ count: 1 }]);
  });

  it('of one person by one account make one registration, and 19 answer 409', async () => {
    const { id, token } = await t.user();
    const body = person();
    const answers = await Promise.all(Array.from({ length: 20 }, () => t.request('POST', PATH, { token, body })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array.from({ length: 19 }, () => 409),
    ]);
    expect(await count('user_id = $1', id)).toEqual([{ count: 1 }]);
  });

  it('of different dependants of one account make four registrations, and 16 answer 409', async () => {
    const { id, token } = await t.user();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => t.request('POST', PATH, { token, body: person({ is_dependant: true }) })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(4);
    expect(answers.filter(({ body }) => body.code === 'too_many_dependants')).toHaveLength(16);
    expect(await count('user_id = $1', id)).toEqual([{ count: 4 }]);
  });
});

it('20 changes of different registrations to one id number change one of them, and 19 answer 409', async () => {
  const rows = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { token } = await t.user();
      return { token, id: (await t.request('POST', PATH, { token, body: person() })).body.id };
    }),
  );
  const id_number = nationalId();
  const answers = await Promise.all(
    rows.map(({ token, id }) => t.request('PATCH', `${PATH}/${id}`, { token, body: { id_number } })),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
    200,
    ...Array.from({ length: 19 }, () => 409),
  ]);
});
