import { expect, it } from 'vitest';
import { Client, expectProblem } from './client.js';

const wrong = (client: Client, login: string) => client.signIn(login, 'wrong');

it('after five failures for one name even the right password has to wait, and it is said how long', async () => {
  const client = new Client();
  const { username } = await client.register();
  for (let i = 0; i < 5; i++) expectProblem(await wrong(client, username), 401, 'invalid_credentials');
  const answers = [await wrong(client, username), await client.signIn(username)];
  for (const answer of answers) {
    expectProblem(answer, 429, 'rate_limited');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  await expect.poll(async () => (await client.signIn(username)).status).toBe(201);
});

it('the device that shows its earlier token is not locked out by strangers', async () => {
  const client = new Client();
  const { identity_token, user } = await client.user();
  const stranger = new Client();
  for (let i = 0; i < 6; i++) await wrong(stranger, user.username);
  expectProblem(await stranger.signIn(user.username, 'wrong'), 429, 'rate_limited');
  const known = { login: user.username, password: 'cloudy harbour seven' };
  expect((await client.post('/api/sessions', known, identity_token)).status).toBe(201);
});

it('one network that tries many names is stopped, and another one is not', async () => {
  const client = new Client();
  const statuses: number[] = [];
  for (let i = 0; i < 25; i++) statuses.push((await wrong(client, `nobody-${client.ip}-${i}`)).status);
  expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401));
  expect(statuses.slice(20)).toContain(429);
  expectProblem(await wrong(new Client(), `nobody-${client.ip}-x`), 401, 'invalid_credentials');
});
