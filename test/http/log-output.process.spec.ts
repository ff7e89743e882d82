import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';
import { dataFolder, launch, whenServing } from '../support/servers/machi-process.js';
import { freePort } from '../support/servers/postgres-server.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';

let folder: ReturnType<typeof dataFolder>;
let database: TestDatabase;
beforeEach(async () => {
  folder = dataFolder();
  database = await createDatabase();
});
afterEach(async () => {
  await database.drop();
  folder.remove();
});

/** Runs a program that has an `output`. */
function run(program: string): ChildProcessWithoutNullStreams {
  const file = join(packageRoot(), 'dist/src/http/log/log-output.js');
  const prepare = `import { LogOutput } from ${JSON.stringify(file)}; const output = new LogOutput();`;
  return spawn(process.execPath, ['--input-type=module', '--eval', prepare + program]);
}

it('a process whose standard output is not read answers requests, and is killed at the end of its stop', async () => {
  const { child, url } = await whenServing(launch({ NODE_ENV: 'test', DATA_DIR: folder.path, ...database.env }));
  child.stdout!.pause();
  for (let line = 0; line < 5000; line++) await (await fetch(`${url}/api/unknown`)).text(); // more than pipes hold
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

it('a process whose standard output is closed while its last lines are written ends', async () => {
  const child = run(`
    output.write('first\\n');
    process.stdin.once('data', () => {
      for (const line of ['second', 'third']) output.write(line + '\\n');
      void output.exit(3);
    });`);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  child.stdin.end('exit');
  expect(await once(child, 'exit')).toEqual([3, null]);
});

it.each(['test', 'development'])(
  'a process (%s) whose standard output is on a full disk answers requests and stops',
  async (mode) => {
    const port = String(await freePort());
    const stdout = openSync('/dev/full', 'w');
    const machi = launch({ NODE_ENV: mode, PORT: port, DATA_DIR: folder.path, ...database.env }, 'main', { stdout });
    closeSync(stdout);
    const health = `http://127.0.0.1:${port}/api/health`;
    await expect
      .poll(
        () =>
          fetch(health).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 30_000 },
      )
      .toBe(200);
    expect(await machi.kill('SIGTERM')).toBe(0);
  },
);

it('lines beyond 16 MiB are dropped, and their number is logged once standard output is read', async () => {
  const child = run(`
    output.onDropped((lines) => output.write(lines + ' dropped\\n'));
    for (let line = 0; line < 20; line++) output.write('x'.repeat(1024 * 1024 - 1) + '\\n');`);
  const lengths: number[] = [];
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lengths.push(line.length);
    if (line.length < 100) lines.push(line);
  }
  expect([lengths.filter((length) => length === 1024 * 1024 - 1).length, lines]).toEqual([16, ['4 dropped']]);
});
