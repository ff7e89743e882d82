import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD, startApp, type TestApp } from '../../support/app.js';
import { dumpRows, findNumbers, inBengali } from '../../support/id-leaks.js';
import { nationalId, person, vaccinationWorld } from '../../support/vaccination/vaccination.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { LOG_LEVEL: 'trace' } });
});
afterAll(() => t.stop());

const PATH = '/api/vaccination/registrations';

/** Every text that the application sent in an answer. */
const answers: string[] = [];

async function call(method: string, path: string, token?: string, body?: unknown) {
  const answer = await t.request(method, path, { token, body });
  answers.push(answer.text, ...answer.headers.values());
  return answer;
}

/** Registers, corrects, decides about, reads, exports and deletes people; with valid and invalid numbers. */
async function run(): Promise<string[]> {
  const world = await vaccinationWorld(t);
  const verifier = await t.user('verify_registrations');
  const numbers = Array.from({ length: 12 }, nationalId);
  const [own, spaced, bengali, passport, birth, changed, invalid, invalidLong, nid, rejected, withdrawn, wrongYear] =
    numbers as [string, string, string, string, string, string, string, string, string, string, string, string];
  const guardian = await t.user();
  const register = async (fields: object, token?: string) =>
    call('POST', PATH, token ?? (await t.user()).token, person(fields));
  const { body: first } = await register({ id_number: own }, guardian.token);
  await register({ id_number: own, is_dependant: true }, guardian.token); // 409
  await register({ id_number: `1990-${spaced.slice(0, 5)} ${spaced.slice(5)}` });
  await register({ id_number: inBengali(bengali) });
  await register({ id_type: 'PASSPORT', id_number: `a${passport.slice(0, 9)}` });
  await register({ id_type: 'BIRTH_REG', id_number: `1990${birth}` });
  await register({ id_number: `${invalid}1` }); // 422
  await register({ id_number: [invalidLong] }); // 422
  await register({ id_number: `1980${wrongYear}` }); // 422
  await register({ legal_name: `Hana ${invalidLong}`, id_number: invalid.slice(0, 9) }); // 422
  await call('POST', PATH, guardian.token, `{"id_number": "${invalid}`); // 400
  await call('PATCH', `${PATH}/${first.id}`, guardian.token, { id_number: changed });
  await call('GET', `${PATH}?reason=Check&status=pending`, verifier.token);
  await call('GET', `${PATH}/${first.id}?reason=Number%20${own}`, verifier.token); // 422
  await call('POST', `${PATH}/${first.id}/reject`, verifier.token, { reason: `Not ${rejected}` }); // 422
  await call('POST', `${PATH}/${first.id}/verify`, verifier.token);
  await call('GET', `${PATH}/${first.id}/export`, guardian.token);
  await call('POST', `${PATH}/${first.id}/withdraw`, guardian.token);
  const { id: withdrawnId, owner } = await world.registration({ id_number: withdrawn });
  await call('DELETE', `${PATH}/${withdrawnId}`, owner.token);
  const email = `${randomBytes(5).toString('hex')}@example.org`;
  await t.request('POST', '/api/create', {
    body: { name: 'Noor', email, password: PASSWORD, nid, phone_number: '01700000000' },
  });
  const token = await t.signIn(email, PASSWORD);
  await t.request('GET', '/api/profile', { token }); // shows the number to its owner, as the old service documents
  await call('POST', '/api/create', undefined, { token });
  await call('POST', '/api/myvaccine', undefined, { token });
  await call('POST', '/api/allvaccines', undefined, { token: verifier.token });
  await call('GET', '/api/users/me', token);
  await call('GET', `/api/audit?limit=100`, await t.asAdmin());
  return [...numbers.filter((number) => number !== passport), `a${passport.slice(0, 9)}`, invalid.slice(0, 9)];
}

it('no national id is in the database, the logs or an answer after registering, reading, exporting and deleting people', async () => {
  const numbers = await run();
  const [rows, log] = [await dumpRows(t), t.logLines.join('')];
  expect(rows).toContain('registration.exported');
  expect(rows).toContain('Test Person');
  expect(log).toContain(PATH);
  expect(answers.join()).toContain('*******');
  const places = { rows, log, answers: answers.join('\n') };
  for (const [place, text] of Object.entries(places)) {
    expect([place, findNumbers(numbers, text)]).toEqual([place, []]);
  }
});
