import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/version.js';
import { newKeys, type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { insertPerson } from '../support/vaccination/bookings.js';
import { type ChatClient, connect, createConversation } from '../support/clients/chat-client.js';
import { databaseEnv } from '../support/setup/database.js';
import { imageFile, upload } from '../support/files/images.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';
import { hasPrometheus, startPrometheus } from '../support/servers/prometheus.js';
import { vaccinationWorld } from '../support/vaccination/vaccination.js';

const file = (path: string): string => join(packageRoot(), path);
const RULES = file('deploy/prometheus/machi.rules.yml');
/** Between two rounds of requests. */
const PAUSE_MS = 100;
/** Without a fault, or within seconds, there is nothing to compare, so that promtool alone tests them. */
const UNSEEN = ['MachiMissing', 'MachiProcessMissing', 'MachiServerErrors', 'MachiBookingFaults'];

interface Rule {
  alert: string;
  expr: string;
}
interface Panel {
  title: string;
  targets?: { expr: string }[];
}

const { groups } = load(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(readFileSync(file('deploy/grafana/dashboards/machi.json'), 'utf8')) as {
  panels: Panel[];
};
const expressions = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({
    name: title,
    expr: expr.replaceAll('$__rate_interval', '5s').replaceAll('$instance', '.*'),
  })),
);
/** What an alert compares: the expression without its limit. */
const compared = rules.filter(({ alert }) => !UNSEEN.includes(alert));
const withoutLimit = (expr: string): string => expr.replace(/ (==|>) [\d.e]+$/, '');

it('docs/operations.md says what to do for each alert', () => {
  const text = readFileSync(file('docs/operations.md'), 'utf8');
  expect(rules.map(({ alert }) => alert).filter((alert) => !text.includes(`| \`${alert}\` `))).toEqual([]);
});

describe.skipIf(!hasPrometheus)('Prometheus', () => {
  const folder = dataFolder();
  let t: TestApp;
  let machi: MachiProcess;
  let prometheus: Awaited<ReturnType<typeof startPrometheus>>;
  let isStopped = false;
  let traffic: Promise<void>;
  beforeAll(async () => {
    const env = { ...newKeys(), NODE_ENV: 'test', RATE_LIMITS: 'on' };
    t = await startApp({ env });
    const own = { DATA_DIR: folder.path, METRICS_PORT: '0' };
    machi = await whenServing(launch({ ...env, ...databaseEnv(t.connection), ...own }));
    const { host } = new URL(/Metrics +(\S+)/.exec(machi.output())![1]!);
    prometheus = await startPrometheus(host, RULES);
    traffic = keepBusy(t, machi.url, () => isStopped);
    while ((await scrapes()) < 5) await sleep(PAUSE_MS);
  });
  afterAll(async () => {
    isStopped = true;
    const fault: unknown = await traffic.catch((error: unknown) => error);
    await prometheus.stop();
    await machi.kill('SIGTERM');
    await t.stop();
    folder.remove();
    if (fault) throw fault as Error;
  });
  const scrapes = async (): Promise<number> =>
    Number((await prometheus.query('count_over_time(machi_bookings_total{result="ok"}[1m])'))[0]?.value[1] ?? 0);

  it('finds values for every expression of the dashboard', async () => {
    expect(expressions.length).toBeGreaterThan(40);
    const empty: string[] = [];
    for (const { name, expr } of expressions) {
      const results = await prometheus.query(expr);
      const isMissing = !results.some(({ value }) => value[1] !== 'NaN') && !isPoolWait(expr, results.length);
      if (isMissing) empty.push(`${name}: ${expr}`);
    }
    expect(empty).toEqual([]);
  });

  it('finds values for what every alert compares, and no alert fires', async () => {
    const empty: string[] = [];
    for (const { alert, expr } of compared) {
      if ((await prometheus.query(withoutLimit(expr))).length === 0) empty.push(`${alert}: ${expr}`);
    }
    expect(empty).toEqual([]);
    type Evaluated = { name: string; health: string; lastError?: string; state: string };
    const { groups: found } = await prometheus.read<{ groups: { rules: Evaluated[] }[] }>('rules');
    const evaluated = found.flatMap((group) => group.rules);
    expect(evaluated.map(({ name }) => name)).toEqual(rules.map(({ alert }) => alert));
    expect(evaluated.filter(({ health, state }) => health !== 'ok' || state === 'firing')).toEqual([]);
  });

  it('accepts the configuration of the stack, and the alerts pass their unit tests', () => {
    for (const args of [
      ['check', 'config', '--syntax-only', file('deploy/prometheus/prometheus.yml')],
      ['check', 'rules', RULES],
      ['test', 'rules', file('test/metrics/alerts.test.yml')],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
    }
  });
});

/** Requests that found an idle connection did not wait: the quantile of no waits is NaN. */
const isPoolWait = (expr: string, results: number): boolean =>
  expr.includes('machi_db_pool_wait_seconds') && results > 0;

/** Uses every part of a process that is measured, again and again. */
async function keepBusy(t: TestApp, url: string, isStopped: () => boolean): Promise<void> {
  const world = await vaccinationWorld(t);
  const { id: session } = await world.session({ capacity: 1000 });
  const [user, other] = [await t.user(), await t.user()];
  const machi = { url } as TestApp;
  const [chat, listener] = [await connect(machi, user), await connect(machi, other)];
  const conversation_id = await createConversation(chat, listener);
  const image = await imageFile(1);
  const person = await insertPerson(t, user);
  while (!isStopped()) {
    await sleep(PAUSE_MS);
    await Promise.all([
      request(url, 'GET', '/api/users/me', user.token),
      request(url, 'GET', '/api/unknown', user.token),
      signIns(url, other),
      request(url, 'POST', '/api/vaccination/appointments', user.token, {
        registration_id: person,
        session_id: session,
      }),
      request(url, 'POST', '/api/vaccination/appointments', user.token, {
        registration_id: session,
        session_id: session,
      }),
      upload(machi, user, image),
      talk(chat, conversation_id),
    ]);
  }
  await Promise.all([chat.close(), listener.close()]);
}

const request = (url: string, method: string, path: string, token?: string, body?: object): Promise<Response> =>
  fetch(url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

/** One that succeeds, and one of an unknown user that fails or is refused by a limit. */
async function signIns(url: string, { username, password }: SignedInUser): Promise<void> {
  await request(url, 'POST', '/api/sessions', undefined, { login: username, password });
  await request(url, 'POST', '/api/sessions', undefined, { login: 'unknown', password });
}

async function talk(chat: ChatClient, conversation_id: number): Promise<void> {
  await chat.get('send_message', { conversation_id, content: 'Good morning' });
  await chat.ask('no_such_request');
}
