// `npm run client:test`: builds @machi/client, packs it, installs the pack into an empty project, compiles that strictly, and
// runs the client's tests against the real server in Node.js and in Chromium. Needs no network.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, root } from '../prepare.mjs';

await prepare();
const client = join(root, 'clients/typescript');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const tsc = join(root, 'node_modules/typescript/bin/tsc');

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status === 0) return;
  console.error(`${command} ${args.join(' ')} failed (${error?.message ?? status})`);
  process.exit(1);
}

const SETTINGS = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'],
    module: 'nodenext',
    types: [],
    outDir: 'out',
  },
};

const PROGRAM = `import { ChatError, MachiClient, MachiProblem, paginate, WebSessionStore, type ProblemCode } from '@machi/client';

const machi = new MachiClient({ baseUrl: 'https://machi.example.org', store: new WebSessionStore() });

export async function rename(fullname: string): Promise<string | ProblemCode> {
  try {
    return (await machi.api.updateMe({ body: { fullname } })).fullname;
  } catch (error) {
    if (!(error instanceof MachiProblem)) throw error;
    if (error.is('validation_failed')) return error.problem.errors.map(({ path }) => path).join();
    return error.code;
  }
}

export async function replaceAvatar(avatar: Blob, show: (share: number) => void): Promise<string | undefined> {
  const result = await machi.api.uploadAvatar({ body: { avatar }, onProgress: ({ loaded, total }) => show(loaded / total) });
  return result.urls?.[256];
}

export async function listNames(q: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { username } of paginate(machi.api.listUsers, { query: { q } })) names.push(username);
  return names;
}

export async function say(conversation: number, content: string): Promise<number | string> {
  const chat = machi.chat();
  chat.connect();
  chat.on('user_status', ({ username, is_online }) => console.log(username, is_online));
  chat.subscribe(conversation, (message) => console.log(message.sender_username, message.content));
  try {
    return (await chat.send(conversation, content)).id;
  } catch (error) {
    return error instanceof ChatError && error.code === 'conversation_not_found' ? error.message : 'failed';
  }
}

// @ts-expect-error A group needs a name.
export const group = machi.api.createGroup({ body: {} });
// @ts-expect-error There is no such code.
export const isNonsense = (problem: MachiProblem): boolean => problem.code === 'no_such_code';
`;

if (JSON.parse(readFileSync(join(client, 'package.json'), 'utf8')).version !== version) {
  console.error('@machi/client does not have the version of the server.');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'machi-client-'));
try {
  rmSync(join(client, 'dist'), { recursive: true, force: true });
  run(process.execPath, [tsc, '-p', client]);
  writeFileSync(join(client, 'dist/.built'), ''); // so that nothing builds it again
  run('npm', ['pack', '--silent', '--pack-destination', folder], client);
  writeFileSync(join(folder, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }\n');
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--silent', `./machi-client-${version}.tgz`], folder);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(SETTINGS));
  writeFileSync(join(folder, 'program.ts'), PROGRAM);
  run(process.execPath, [tsc, '-p', folder]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
run(process.execPath, [join(root, 'scripts/test.mjs'), '--config', 'vitest.client.config.ts']);
