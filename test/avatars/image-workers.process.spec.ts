import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import sharp from 'sharp';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { formOf, imageFile, upload } from '../support/files/images.js';
import {
  canLimitDescriptors,
  dataFolder,
  launch,
  limitDescriptors,
  whenServing,
} from '../support/servers/machi-process.js';

let image: Buffer;
let slowImage: Buffer; // keeps its worker busy for about a second
beforeAll(async () => {
  image = await imageFile(1);
  slowImage = await sharp({ create: { width: 5000, height: 5000, channels: 3, background: '#468' } })
    .png()
    .toBuffer();
});

let t: TestApp;
let user: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  user = await t.user();
});
afterAll(() => t.stop());
const workers = (): number[] =>
  readdirSync('/proc/self/task')
    .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number))
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('image-worker'));

it('image workers have no settings and no secrets in their environment', async () => {
  expect((await upload(t, user, image)).status).toBe(202);
  expect(workers().length).toBeGreaterThan(0);
  for (const pid of workers()) {
    const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((entry) => entry.split('=')[0]);
    expect(names.filter((name) => name && !name.startsWith('NODE_CHANNEL'))).toEqual(['MALLOC_ARENA_MAX']);
  }
});

it('image workers have the highest out-of-memory score', async () => {
  await upload(t, user, image);
  for (const pid of workers()) expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('1000\n');
});

/** The processor time of a process so far, in hundredths of a second. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

it.each([
  ['SIGSEGV', 422, 'picture_damaged'],
  ['SIGKILL', 429, 'too_many_uploads'], // as the system does when it is out of memory
])('an image worker that dies by %s fails its own upload only', async (signal, status, code) => {
  const before = new Map(workers().map((pid) => [pid, processorTime(pid)]));
  const findBusy = () => workers().find((pid) => processorTime(pid) > (before.get(pid) ?? 0) + 3);
  const failing = upload(t, user, slowImage);
  await expect.poll(findBusy).toBeDefined();
  process.kill(findBusy()!, signal);
  expect((await failing).body).toMatchObject({ status, code });
  expect((await upload(t, user, image)).status).toBe(202);
});

it('an image worker that hangs is killed after the time limit, and the next upload succeeds', async () => {
  await upload(t, user, image);
  for (const pid of workers()) process.kill(pid, 'SIGSTOP');
  expect((await upload(t, user, image)).body).toMatchObject({ status: 422, code: 'picture_too_slow' });
  expect((await upload(t, user, image)).status).toBe(202);
});

it.runIf(canLimitDescriptors)(
  'an upload is refused, and nothing else fails, while no image worker can be started',
  async () => {
    const folder = dataFolder();
    const machi = await whenServing(launch({ DATA_DIR: folder.path, ADMIN_PASSWORD: 'a long password 1' }));
    const send = async (path: string, token: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${token}`, ...init.headers };
      const response = await fetch(`${machi.url}/api${path}`, { ...init, headers });
      return { status: response.status, body: (await response.json()) as { identity_token: string; code?: string } };
    };
    const body = JSON.stringify({ login: 'admin', password: 'a long password 1' });
    const { identity_token: token } = (
      await send('/sessions', '', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    ).body;
    const putAvatar = () => send('/users/me/avatar', token, { method: 'PUT', body: formOf(image) });
    limitDescriptors(machi, 1); // for the connection
    const refused = await putAvatar();
    expect([refused.status, refused.body.code]).toEqual([429, 'too_many_uploads']);
    limitDescriptors(machi);
    expect((await putAvatar()).status).toBe(202);
    expect(machi.output()).toMatch(/An image worker failed \(spawn .* EMFILE\)/);
    expect(await machi.kill('SIGTERM')).toBe(0);
    folder.remove();
  },
);
