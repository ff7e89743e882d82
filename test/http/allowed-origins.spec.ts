import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { connect, dial } from '../support/clients/chat-client.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({
    env: { ALLOWED_ORIGINS: 'capacitor://localhost, https://front.example/, http://front_end:8080' },
  });
});
afterAll(() => t.stop());

const allowed = async (origin: string): Promise<string | null> =>
  (await t.request('GET', '/api/health/live', { headers: { origin } })).headers.get('access-control-allow-origin');

it.each(['capacitor://localhost', 'https://front.example', 'http://front_end:8080'])(
  'pages of %s may call the API and open the chat',
  async (origin) => {
    expect(await allowed(origin)).toBe(origin);
    const client = await connect(t, await t.user(), { origin });
    await client.close();
  },
);

it.each(['capacitor://localhost.example', 'ionic://localhost', 'https://front.example.org', 'http://front.example'])(
  'pages of %s may not',
  async (origin) => {
    expect(await allowed(origin)).toBeNull();
    const client = dial(t, await t.user(), { origin });
    expect((await client.end())[0]).toBe(1006);
  },
);
