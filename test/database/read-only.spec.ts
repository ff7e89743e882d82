import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { connectUsers, createConversation } from '../support/clients/chat-client.js';
import { admin } from '../support/setup/global-setup.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

/** Sets the default of new sessions, and opens the pool's connections anew, as after a failover. */
async function setReadOnly(isReadOnly: boolean): Promise<void> {
  const { database } = t.connection;
  await admin(
    t.connection,
    `alter database ${database} set default_transaction_read_only = ${isReadOnly ? 'on' : 'off'}`,
  );
  if (isReadOnly) {
    const where = `datname = '${database}' and application_name = 'machi'`;
    await admin(t.connection, `select pg_terminate_backend(pid) from pg_stat_activity where ${where}`);
  }
}

const readiness = async () => {
  const { status, body } = await t.request('GET', '/api/health/ready');
  return [status, (body as { checks: { database: string } }).checks.database];
};

it('a read-only database answers 503 database_unavailable, readiness is false, and all heals by itself', async () => {
  const [ann, bob] = await connectUsers(t, 2);
  const conversation_id = await createConversation(ann!, bob!);
  const user = await t.user();
  await setReadOnly(true);
  await expect.poll(readiness).toEqual([503, 'read_only']);

  const signIn = await t.request('POST', '/api/sessions', { body: { login: user.username, password: user.password } });
  const patch = await t.request('PATCH', '/api/users/me', { token: user.token, body: { fullname: 'Hana Sato' } });
  for (const answer of [signIn, patch]) {
    expect(answer.body).toMatchObject({ status: 503, code: 'database_unavailable' });
    expect(answer.headers.get('retry-after')).toBe('2');
  }
  const refusal = { success: false, error: expect.stringMatching(/database/i) as string };
  expect(await bob!.ask('add_contact', { contact_username: ann!.username })).toMatchObject(refusal);
  ann!.send({ type: 'send_message', conversation_id, content: 'x' }); // tried again until the outage is too long
  await expect
    .poll(() => {
      t.clock.advance(1_000);
      return ann!.frames.at(-1);
    })
    .toMatchObject({ ...refusal, type: 'send_message' });
  t.clock.run();
  expect((await t.request('GET', '/api/users/me', { token: user.token })).status).toBe(200); // reading still works

  await setReadOnly(false);
  await expect.poll(readiness).toEqual([200, 'ok']);
  const changes = Array.from({ length: 30 }, (_, i) =>
    t.request('PATCH', '/api/users/me', { token: user.token, body: { fullname: `Hana ${i}` } }),
  );
  expect(new Set((await Promise.all(changes)).map(({ status }) => status))).toEqual(new Set([200]));
  ann!.send({ type: 'send_message', conversation_id, content: 'y' });
  await expect.poll(() => ann!.frames.at(-1)).toMatchObject({ success: true, data: { content: 'y' } });
});
