import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { vaccinationWorld } from '../../support/vaccination/vaccination.js';

let t: TestApp;
let world: Awaited<ReturnType<typeof vaccinationWorld>>;
beforeAll(async () => {
  t = await startApp();
  world = await vaccinationWorld(t);
});
afterAll(() => t.stop());

it('PATCH of one session by 40 requests at once succeeds 40 times, though the pool has 20 connections', async () => {
  const { id } = await world.session({ status: 'draft' });
  await t.warmUp();
  const change = (capacity: number) =>
    t.request('PATCH', `/api/vaccination/sessions/${id}`, { token: world.manager.token, body: { capacity } });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => change(i)));
  expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200));
});
