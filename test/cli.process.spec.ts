import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataFolder, launch, type MachiProcess, whenServing } from './support/machi-process.js';

async function signIn(url: string, password: string): Promise<{ status: number; token?: string }> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const response = await fetch(`${url}/api/sessions`, { ...init, body: JSON.stringify({ login: 'admin', password }) });
  const { identity_token: token } = (await response.json()) as { identity_token?: string };
  return { status: response.status, ...(token === undefined ? {} : { token }) };
}

describe('the first administrator', () => {
  const folder = dataFolder();
  afterAll(() => folder.remove());

  it('can sign in with the password that a start printed which failed because PORT was taken', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const PORT = String((occupant.address() as AddressInfo).port);
    const failed = launch({ DATA_DIR: folder.path, PORT });
    expect(await failed.ended).toBe(78);
    occupant.close();
    const password = /the password (\S+) \(/.exec(failed.output())?.[1];
    const machi = await whenServing(launch({ DATA_DIR: folder.path }));
    expect((await signIn(machi.url, password!)).status).toBe(201);
    await machi.kill('SIGTERM');
  });
});

describe('machi admin reset', () => {
  const folder = dataFolder();
  const run = async (...args: string[]) => {
    const command = launch({ DATA_DIR: folder.path }, 'cli/machi', { args });
    return { code: await command.ended, output: command.output() };
  };
  let machi: MachiProcess;
  beforeAll(async () => {
    machi = await whenServing(launch({ DATA_DIR: folder.path, ADMIN_PASSWORD: 'quiet lantern forty' }));
  });
  afterAll(async () => {
    await machi.kill('SIGTERM');
    folder.remove();
  });

  it('prints a new password while the server runs, ends the sessions of the old one, and is audited', async () => {
    const get = async (path: string, token?: string) => {
      const response = await fetch(`${machi.url}/api/${path}`, { headers: { authorization: `Bearer ${token}` } });
      return { status: response.status, body: (await response.json()) as { items?: object[] } };
    };
    const before = await signIn(machi.url, 'quiet lantern forty');
    const { code, output } = await run('--json', 'admin', 'reset');
    const { username, password } = JSON.parse(output) as { username: string; password: string };
    expect([code, username]).toEqual([0, 'admin']);
    expect((await get('users/me', before.token)).status).toBe(401);
    expect((await signIn(machi.url, 'quiet lantern forty')).status).toBe(401);
    const after = await signIn(machi.url, password);
    expect(after.status).toBe(201);
    const { body } = await get('audit?action=user.password_reset', after.token);
    expect(body.items).toEqual([expect.objectContaining({ actor_id: null, details: { by: 'operator' } })]);
  });

  it.each([
    [1, 'This user does not exist', ['admin', 'reset', 'unknown']],
    [64, 'unknown command', ['admin', 'restart']],
    [0, 'Usage: machi admin', ['admin', '--help']],
  ])('exits with %i and "%s" for %j', async (exitCode, text, args) => {
    const { code, output } = await run(...args);
    expect([code, output]).toEqual([exitCode, expect.stringContaining(text)]);
  });
});
