import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createKeyPair, readCertifiedKeys, readKeyPair } from '../../src/common/keys/key-pair.js';
import { packageRoot } from '../../src/common/version.js';
import { cli } from '../support/clients/machi-cli.js';
import { dataFolder } from '../support/servers/machi-process.js';

const folder = dataFolder();
/** Rotating a key needs no database. */
const down = { DATABASE_URL: 'postgres://machi@127.0.0.1:1/machi', DATA_DIR: folder.path };
afterAll(() => folder.remove());

it('machi keys rotate announces, activates and retires a signing key, each when it is due; --stolen replaces it at once', async () => {
  const [key, accepted] = [join(folder.path, 'signing.pem'), join(folder.path, 'accepted.pem')];
  const first = createKeyPair();
  writeFileSync(key, first, { mode: 0o600 });
  writeFileSync(accepted, first);
  const run = cli(() => ({ ...down, SIGNING_KEY_FILE: key, ACCEPTED_SIGNING_KEYS_FILE: accepted }));
  const steps: unknown[] = [];
  for (const options of [[], [], ['--now'], [], ['--now'], ['--stolen']]) {
    const { body, output } = await run('keys', 'rotate', 'signing', ...options);
    const acceptedKids = readCertifiedKeys(readFileSync(accepted, 'utf8')).map(({ published }) => published.kid);
    const { kid } = readKeyPair(readFileSync(key, 'utf8')).published;
    steps.push([
      body['step'],
      kid === readKeyPair(first).published.kid,
      acceptedKids.includes(kid),
      acceptedKids.length,
    ]);
    expect(output).not.toContain('PRIVATE');
  }
  expect(steps).toEqual([
    ['announced', true, true, 2],
    ['waiting', true, true, 2],
    ['activated', false, true, 2],
    ['waiting', false, true, 2],
    ['retired', false, true, 1],
    ['activated', false, true, 1],
  ]);
});

it('machi keys rotate does one step when several commands run at once, and none while another one has the lock', async () => {
  const [key, accepted] = [join(folder.path, 'raced.pem'), join(folder.path, 'raced-accepted.pem')];
  writeFileSync(key, createKeyPair(), { mode: 0o600 });
  writeFileSync(accepted, readFileSync(key));
  const run = cli(() => ({ ...down, SIGNING_KEY_FILE: key, ACCEPTED_SIGNING_KEYS_FILE: accepted }));
  const results = await Promise.all(Array.from({ length: 6 }, () => run('keys', 'rotate')));
  expect(results.filter(({ body }) => body['step'] === 'announced')).toHaveLength(1);
  expect(
    results.filter(({ body }) => body['step'] === 'waiting' || body.error?.code === 'rotation_running'),
  ).toHaveLength(5);
  const acceptedKids = readCertifiedKeys(readFileSync(accepted, 'utf8')).map(({ published }) => published.kid);
  expect(acceptedKids).toHaveLength(2);
  expect(acceptedKids).toContain(readKeyPair(readFileSync(`${key}.next`, 'utf8')).published.kid);

  writeFileSync(`${key}.lock`, ''); // as a killed command leaves it
  expect((await run('keys', 'rotate', '--stolen')).body.error?.message).toContain(`remove ${key}.lock`);
  rmSync(`${key}.lock`);
  writeFileSync(`${key}.next`, 'damaged');
  const { code, body, output } = await run('keys', 'rotate');
  expect([code, body.error?.code, output]).toEqual([78, 'not_rotatable', expect.not.stringContaining(' at ')]);
  expect((await run('keys', 'rotate', '--stolen')).body['step']).toBe('activated');
  expect(readdirSync(folder.path).filter((name) => name.startsWith('raced'))).toEqual([
    'raced-accepted.pem',
    'raced.pem',
    'raced.pem.next.discarded',
  ]);
});

it('machi keys rotate names the setting of a file that is empty', async () => {
  const { code, body } = await cli(() => ({ ...down, SIGNING_KEY_FILE: '' }))('keys', 'rotate');
  expect([code, body.error?.message]).toEqual([78, expect.stringMatching(/^SIGNING_KEY_FILE is not set/)]);
});

it('machi keys rotate exits with 73 and changes no file when one cannot be written as a whole', async () => {
  const [key, accepted] = [join(folder.path, 'full.pem'), join(folder.path, 'full-accepted.pem')];
  writeFileSync(key, createKeyPair(), { mode: 0o600 });
  const former = Array.from({ length: 12 }, () => createKeyPair()).join(''); // more than the limit below
  writeFileSync(accepted, former);
  const env = { ...down, SIGNING_KEY_FILE: key, ACCEPTED_SIGNING_KEYS_FILE: accepted };
  // As on a disk that gets full, the kernel writes what fits into the limit, and reports an error for the rest.
  const limited = 'ulimit -f 2; exec "$0" "$@"';
  const args = ['-c', limited, process.execPath, join(packageRoot(), 'dist/src/cli/machi.js'), '--json'];
  writeFileSync(`${key}.next`, createKeyPair(), { mode: 0o600 });
  const { status, stdout } = spawnSync('sh', [...args, 'keys', 'rotate', 'signing', '--now'], {
    env: { PATH: process.env['PATH'], NODE_ENV: 'development', ...env },
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([73, expect.stringContaining('"cannot_create"')]);
  expect(readFileSync(accepted, 'utf8')).toBe(former);
  rmSync(`${accepted}.unfinished`, { force: true });
  mkdirSync(`${accepted}.unfinished`);
  const { code, body } = await cli(() => env)('keys', 'rotate', 'signing', '--now');
  expect([code, body.error?.code]).toEqual([73, 'cannot_create']);
});
