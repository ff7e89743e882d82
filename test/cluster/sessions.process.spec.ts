import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PASSWORD } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';
import { dataFolder, launch, type MachiProcess, whenServing } from '../support/servers/machi-process.js';

/** Two processes of the built Machi on one database. */
let nodes: [MachiProcess, MachiProcess];
let database: TestDatabase;
const folder = dataFolder();

beforeAll(async () => {
  database = await createDatabase();
  const env = {
    DATA_DIR: folder.path,
    SECRET_KEY: randomBytes(32).toString('hex'),
    ...database.env,
    ADMIN_PASSWORD: PASSWORD,
    TRUST_PROXY: 'loopback',
  };
  nodes = [await whenServing(launch(env)), await whenServing(launch(env))];
  await Promise.all(Array.from({ length: 60 }, (_, i) => call(i, 'GET', '/api/health/ready')));
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.kill('SIGTERM')));
  await database.drop();
  folder.remove();
});

async function call(
  node: number,
  method: string,
  path: string,
  body?: object,
  token?: string,
  address = `192.0.2.${node % 250}`,
) {
  const response = await fetch(nodes[node % 2]!.url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      'x-forwarded-for': address,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return { status: response.status, body: (text ? JSON.parse(text) : {}) as Record<string, string> };
}

let users = 0;
async function newUser() {
  const username = `node.user${++users}`;
  await call(0, 'POST', '/api/users', { username, password: PASSWORD, fullname: 'A user' });
  const { body } = await call(0, 'POST', '/api/sessions', { login: username, password: PASSWORD });
  return { username, token: body['identity_token']!, refresh: body['refresh_token']! };
}

const onBoth = <T>(count: number, act: (node: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => act(i)));

it('a sign-out on one node is effective on the other at the next request', async () => {
  for (let round = 0; round < 10; round++) {
    const { token } = await newUser();
    expect((await call(1, 'GET', '/api/users/me', undefined, token)).status).toBe(200);
    expect((await call(0, 'DELETE', '/api/sessions/current', {}, token)).status).toBe(204);
    expect((await call(1, 'GET', '/api/users/me', undefined, token)).status).toBe(401);
  }
});

it('30 concurrent refreshes of one client on both nodes return one new refresh token', async () => {
  const { refresh } = await newUser();
  const request = { refresh_token: refresh };
  const answers = await onBoth(30, (node) =>
    call(node, 'POST', '/api/sessions/refresh', request, undefined, '192.0.2.1'),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(answers.map(({ body }) => body['refresh_token'])).size).toBe(1);
});

it('a refresh on one node and a concurrent password change on the other leave no valid token', async () => {
  for (let round = 0; round < 20; round++) {
    const { token, refresh } = await newUser();
    const change = { current_password: PASSWORD, new_password: `${PASSWORD} ${round}` };
    const [refreshed] = await Promise.all([
      call(0, 'POST', '/api/sessions/refresh', { refresh_token: refresh }),
      call(1, 'PUT', '/api/users/me/password', change, token),
    ]);
    for (const [node, each] of [token, refreshed.body['identity_token'] ?? token].entries()) {
      expect((await call(node, 'GET', '/api/users/me', undefined, each)).status).toBe(401);
    }
  }
});

it('of 30 concurrent wrong passwords on both nodes five are checked', async () => {
  const { username } = await newUser();
  const answers = await onBoth(30, (node) =>
    call(node, 'POST', '/api/sessions', { login: username, password: 'wrong' }),
  );
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(25);
});

it('of two administrators who demote each other concurrently on both nodes one remains', async () => {
  const { body } = await call(0, 'POST', '/api/sessions', { login: 'admin', password: PASSWORD });
  const first = body['identity_token']!;
  const second = await newUser();
  const { body: groups } = await call(0, 'GET', '/api/groups', undefined, first);
  const administrators = (groups as unknown as { items: { id: string; permissions: string[] }[] }).items.find(
    ({ permissions }) => permissions.includes('admin'),
  )!;
  const idOf = async (token: string) => (await call(0, 'GET', '/api/users/me', undefined, token)).body['id']!;
  const members = `/api/groups/${administrators.id}/members`;
  const [one, two] = [await idOf(first), await idOf(second.token)];
  await call(0, 'PUT', `${members}/${two}`, {}, first);
  const answers = await Promise.all([
    call(0, 'DELETE', `${members}/${two}`, {}, first),
    call(1, 'DELETE', `${members}/${one}`, {}, second.token),
  ]);
  expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
});
