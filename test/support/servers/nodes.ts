import { randomBytes } from 'node:crypto';
import { startApp, type TestApp } from '../app.js';

/** Two nodes in this process, with the same secret and database. Unless `env` says otherwise, they tell each other what happens with NOTIFY. */
export async function startNodes(env: Record<string, string> = {}): Promise<[TestApp, TestApp]> {
  const settings = { SECRET_KEY: randomBytes(32).toString('hex'), BUS: 'postgres', ...env };
  const first = await startApp({ env: settings });
  return [first, await startApp({ env: settings, database: first.connection })];
}

/** The first one has made the database, and drops it. */
export async function stopNodes([first, second]: [TestApp, TestApp]): Promise<void> {
  await second.stop();
  await first.stop();
}
