import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { startApp, type TestApp } from '../support/app.js';
import { connectUsers, createConversation } from '../support/clients/chat-client.js';
import { query } from '../support/servers/postgres-server.js';
import { startProxy } from '../support/servers/tcp-proxy.js';

let t: TestApp;
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  const route = async (connection: DatabaseConnection) => (proxy = await startProxy(connection)).connection;
  t = await startApp({ route, pool: { statementTimeout: 100 } }); // the client waits 2 s longer
});
afterAll(async () => {
  await t.stop();
  proxy.stop();
});

it('a message that is acknowledged after transactions timed out on a paused server is committed', async () => {
  const [ann, bob] = await connectUsers(t, 2);
  const conversation_id = await createConversation(ann!, bob!);
  await t.warmUp();
  const transaction = (): Promise<unknown> => t.dataSource.transaction((manager) => manager.query('select 1'));
  proxy.pause();
  const results = await Promise.allSettled(Array.from({ length: 20 }, transaction));
  expect(results.map(({ status }) => status)).toContain('rejected');
  proxy.resume();

  const contents = Array.from({ length: 20 }, (_, i) => `m${i}`);
  for (const content of contents) await ann!.get('send_message', { conversation_id, content });
  const stored = await query<{ content: string }>(t.connection, 'select content from messages order by id');
  expect(stored.map(({ content }) => content)).toEqual(contents);
});
