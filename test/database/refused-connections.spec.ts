import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { connectUsers, createConversation } from '../support/clients/chat-client.js';
import { admin } from '../support/setup/global-setup.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

it('while the server refuses connections, requests get 503 database_unavailable, and a chat message is stored afterwards', async () => {
  const [ann, bob] = await connectUsers(t, 2);
  const conversation_id = await createConversation(ann!, bob!);
  const { token } = await t.user();
  const { database } = t.connection;
  await admin(t.connection, `alter database ${database} allow_connections false`);
  await admin(t.connection, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`);

  const answers = () => Promise.all(Array.from({ length: 20 }, () => t.request('GET', '/api/users/me', { token })));
  const refusals = [...(await answers()), ...(await answers())]; // the first ones meet the connections that were closed
  ann!.send({ type: 'send_message', conversation_id, content: 'x' });
  await t.request('GET', '/api/health/ready'); // the message has been tried by then
  await admin(t.connection, `alter database ${database} allow_connections true`);

  expect(new Set(refusals.map(({ body }) => (body as { code: string }).code))).toEqual(
    new Set(['database_unavailable']),
  );
  await expect.poll(() => ann!.frames.at(-1)).toMatchObject({ success: true, data: { content: 'x' } });
});
