import { randomBytes, randomInt } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { OPERATIONS } from './api-document.js';
import { EVENTS } from './chat-cases.js';
import { ChatFuzzer } from './chat-fuzzer.js';
import { FIRST_CHAT_CASE, HttpFuzzer } from './http-fuzzer.js';
import { Mailbox } from './mailbox.js';
import { Report } from './report.js';
import { SecretWatch } from './secret-watch.js';
import { World } from './world.js';

const { FUZZ_SEED, FUZZ_SECONDS = '120', FUZZ_CASE } = process.env;
const seed = Number(FUZZ_SEED ?? randomInt(1, 1_000_000));
const onlyCase = FUZZ_CASE === undefined ? undefined : Number(FUZZ_CASE);
/** A quarter of the time is for the chat. */
const HTTP_MS = Number(FUZZ_SECONDS) * 750;
const CHAT_MS = Number(FUZZ_SECONDS) * 250;
const TIMEOUT_MS = Number(FUZZ_SECONDS) * 1000 + 300_000;

let database: TestDatabase;
let machi: MachiProcess;
let world: World;
let image: Buffer;
const folder = dataFolder();
const secrets = new SecretWatch();
const mailbox = new Mailbox(folder.path, secrets);
const reports = { http: new Report(seed), chat: new Report(seed) };

beforeAll(async () => {
  process.stdout.write(`FUZZ_SEED=${seed} FUZZ_SECONDS=${FUZZ_SECONDS}\n`);
  database = await createDatabase();
  image = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#357' } })
    .png()
    .toBuffer();
  const adminPassword = secrets.add(`admin-${randomBytes(9).toString('hex')}`);
  machi = launch({
    ...database.env,
    NODE_ENV: 'test',
    LOG_LEVEL: 'trace',
    DATA_DIR: folder.path,
    SECRET_KEY: secrets.add(randomBytes(32).toString('hex')),
    ADMIN_PASSWORD: adminPassword,
    EXTERNAL_IDENTITY: 'trusted-subject',
    RATE_LIMITS: 'off',
    TRUST_PROXY: 'loopback',
  });
  for (const stream of [machi.child.stdout!, machi.child.stderr!]) secrets.watch(stream);
  await whenServing(machi);
  world = new World(machi.url, adminPassword, secrets, mailbox, image);
  await world.prepare();
});
afterAll(async () => {
  await machi.kill('SIGTERM');
  await database.drop();
  folder.remove();
});

/** Prints the coverage and the faults; fails if there are faults or pairs that never ran. */
function expectNoFaults(report: Report, names: string[]): void {
  const missing = onlyCase === undefined ? report.missing(names) : [];
  process.stdout.write(`${report.toText()}\n`);
  expect(machi.child.exitCode, machi.output().slice(-3000)).toBeNull();
  expect(report.faults.map(({ name, role, text }) => `${name} as ${role}: ${text.split('\n')[0]}`)).toEqual([]);
  expect(missing).toEqual([]);
}

it.runIf(onlyCase === undefined || onlyCase < FIRST_CHAT_CASE)(
  'every HTTP route gives every role documented answers to generated requests',
  async () => {
    const { http: report } = reports;
    const afterBatch = async (): Promise<void> => {
      mailbox.read();
      await world.startUploads();
    };
    const fuzzer = new HttpFuzzer({ url: machi.url, world, report, seed, image, afterBatch });
    await (onlyCase === undefined ? fuzzer.run(Date.now() + HTTP_MS) : fuzzer.runCase(onlyCase));
    expectNoFaults(
      report,
      OPERATIONS.map(({ name }) => name),
    );
  },
  TIMEOUT_MS,
);

it.runIf(onlyCase === undefined || onlyCase >= FIRST_CHAT_CASE)(
  'every chat event gives every role documented answers to generated frames',
  async () => {
    const { chat: report } = reports;
    const fuzzer = new ChatFuzzer({ url: machi.url, world, report, seed });
    await (onlyCase === undefined ? fuzzer.run(Date.now() + CHAT_MS) : fuzzer.runCase(onlyCase));
    fuzzer.close();
    expectNoFaults(report, EVENTS);
  },
  TIMEOUT_MS,
);

it('the log contains no password, token or code of the run', () => {
  process.stdout.write(`${secrets.size} secrets\n`);
  expect(secrets.found()).toEqual([]);
});

it('the process still answers and ends with 0 on SIGTERM', async () => {
  expect((await fetch(`${machi.url}/api/health/ready`)).status).toBe(200);
  expect(await machi.kill('SIGTERM')).toBe(0);
});
