import { describe, expect, it } from 'vitest';
import { COMPAT_SYSTEMS, type CompatSystem } from '../../src/config/compat-systems.js';
import { startApp, type TestApp } from '../support/app.js';

/** One route of each system that no other route matches. */
const ROUTES: Record<CompatSystem, [method: string, path: string]> = {
  kanjiku: ['GET', '/api/v1/Session'],
  kitsu: ['POST', '/api/auth/refresh'],
  chatapp: ['POST', '/api/register'],
  tmtar: ['POST', '/api/users/login'],
  'backend-user': ['POST', '/api/forgot'],
};

async function systemsOf(app: TestApp): Promise<string[]> {
  const found = [];
  for (const system of COMPAT_SYSTEMS) {
    const [method, path] = ROUTES[system];
    const { body } = await app.request(method, path, method === 'GET' ? {} : { body: {} });
    if (body['code'] !== 'route_not_found') found.push(system);
  }
  return found;
}

async function withSystems<T>(COMPAT: string, run: (app: TestApp) => Promise<T>): Promise<T> {
  const app = await startApp({ env: { COMPAT } });
  try {
    return await run(app);
  } finally {
    await app.stop();
  }
}

describe('COMPAT', () => {
  it.each<[value: string, systems: string[]]>([
    ['on', [...COMPAT_SYSTEMS]],
    ['off', []],
    ...COMPAT_SYSTEMS.map((system): [string, string[]] => [system, [system]]),
    ['tmtar, kanjiku', ['kanjiku', 'tmtar']],
  ])('=%s serves the routes of these systems and no others', async (value, systems) => {
    await withSystems(value, async (app) => expect(await systemsOf(app)).toEqual(systems));
  });

  const EMAIL_BODY = { email: 'nobody@example.org', password: 'x' };
  const NAME_BODY = { username: 'nobody', password: 'x' };
  const login = async (app: TestApp, body: object | string) => {
    const { status, headers } = await app.request('POST', '/api/auth/login', { body });
    return [status, headers.get('content-type')];
  };
  const [TEXT, PROBLEM] = ['text/plain; charset=utf-8', 'application/problem+json'];

  it('=chatapp leaves the shared sign-in route to the chat app', async () => {
    await withSystems('chatapp', async (app) => {
      expect(await login(app, EMAIL_BODY)).toEqual([400, TEXT]);
      expect(await login(app, NAME_BODY)).toEqual([401, TEXT]);
    });
  });

  it('=kitsu leaves the shared sign-in route to the anime site', async () => {
    await withSystems('kitsu', async (app) => {
      expect(await login(app, EMAIL_BODY)).toEqual([401, PROBLEM]);
      expect(await login(app, NAME_BODY)).toEqual([422, PROBLEM]);
      expect(await login(app, '{')).toEqual([400, PROBLEM]);
    });
  });

  it('=kanjiku removes the shared sign-in route', async () => {
    await withSystems('kanjiku', async (app) => expect(await login(app, EMAIL_BODY)).toEqual([404, PROBLEM]));
  });
});
