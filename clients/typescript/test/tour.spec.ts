import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/version.js';
import { createDatabase, databaseEnv } from '../../../test/support/setup/database.js';
import { dataFolder } from '../../../test/support/servers/machi-process.js';
import { startApp, type TestApp } from '../../../test/support/app.js';

const ADMIN_PASSWORD = 'quiet lantern forty';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: { NODE_ENV: 'development', ADMIN_PASSWORD } });
});
afterAll(() => t.stop());

/** Runs a script against the server, and returns what it printed. */
async function run(script: string, env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [join(packageRoot(), 'scripts', script)], {
    env: { PATH: process.env['PATH'], MACHI_URL: t.url, ADMIN_PASSWORD, ...env },
  });
  const ended = new Promise<number>((resolve) => child.on('close', resolve));
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, output: output + errors };
}

/** Without what differs between two runs. */
const masked = (output: string): string[] =>
  output
    .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/"(id|conversation_id|sent_at)":\d+/g, '"$1":<number>')
    .replace(/"id_number":"[\d*]+"/g, '"id_number":"<number>"')
    .replace(/"(check_in_code|code)":"\d{6}"/g, '"$1":"<code>"')
    .replace(/URN:UVCI[^"]+|HC1:[^"]+/g, '<certificate>')
    .replace(/(["=])20[2-9]\d-\d\d-\d\d\b/g, '$1<day>') // birthdays are earlier
    .replace(/\s+/g, ' ')
    .trim()
    .split(/ (?=\w+ [→←])/);

describe('npm run tour', () => {
  it('prints what the README shows', async () => {
    const { code, output } = await run('tour/tour.mjs');
    const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
    const [, section] = readme.split(/<!-- tour -->|<!-- end of the tour -->/);
    expect(code, output).toBe(0);
    expect(masked(section!)).toEqual(masked(output));
  });

  it('can be walked again on the same database', async () => {
    const { code, output } = await run('tour/tour.mjs');
    expect(code, output).toBe(0);
    expect(output).toContain('"username":"hana.sato2"');
  });
});

describe('npm run tour:vaccination', () => {
  it('prints what docs/vaccination.md shows', async () => {
    const { code, output } = await run('tour/vaccination-tour.mjs');
    const document = readFileSync(join(packageRoot(), 'docs/vaccination.md'), 'utf8');
    const [, section] = document.split(/<!-- drive -->|<!-- end of the drive -->/);
    expect(code, output).toBe(0);
    expect(masked(section!)).toEqual(masked(output));
  });
});

describe('npm run seed', () => {
  it('fills the database, says how to sign in, and changes nothing the second time', async () => {
    const first = await run('seed.mjs');
    expect(first.code, first.output).toBe(0);
    expect(first.output).toContain('- avatar of ren.ito, pending');
    const [, password = ''] = /mei\.kato.* with the password "(.+)"/.exec(first.output) ?? [];
    const mei = await t.signIn('mei.kato', password);
    const { body } = await t.request('GET', '/api/chat/conversations', { token: mei });
    expect(body['items']).toMatchObject([{ name: 'Lantern night' }]);
    const second = await run('seed.mjs');
    expect([second.code, second.output]).toEqual([0, expect.stringContaining('Everything is there already.')]);
  });

  it('gives the administrator a new password if it knows none, once', async () => {
    const env = {
      ...databaseEnv(t.connection),
      ADMIN_PASSWORD: '',
      DATA_DIR: t.config.DATA_DIR,
      SECRET_KEY: t.config.SECRET_KEY,
    };
    const first = await run('seed.mjs', env);
    expect(first.code, first.output).toBe(0);
    const [, password = ''] = /admin with the password "(.+)"/.exec(first.output) ?? [];
    await t.signIn('admin', password);
    const second = await run('seed.mjs', env);
    expect([second.code, second.output]).toEqual([0, expect.not.stringContaining('making a new one')]);
  });

  it('says what to do if its settings lead to another database than that of the running Machi', async () => {
    const other = await createDatabase();
    const folder = dataFolder();
    const { code, output } = await run('seed.mjs', { ...other.env, ADMIN_PASSWORD: 'wrong', DATA_DIR: folder.path });
    expect([code, output]).toEqual([1, expect.stringContaining('Use the settings of the Machi that runs')]);
    expect(output).not.toContain('node:internal');
    await other.drop();
    folder.remove();
  });

  it('refuses production', async () => {
    const { code, output } = await run('seed.mjs', { NODE_ENV: 'production' });
    expect([code, output]).toEqual([1, expect.stringContaining('for development only')]);
  });
});
