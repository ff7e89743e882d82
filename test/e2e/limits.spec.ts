import { expect, it } from 'vitest';
import { Client, expectProblem } from './client.js';

const wrong = (client: Client, login: string) => client.signIn(login, 'wrong');

it('POST /api/sessions answers 429 with Retry-After to the right password after five failures for one login', async () => {
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

it('a device that sends its earlier token can sign in while others are locked out', async () => {
  const client = new Client();
  const { identity_token, user } = await client.user();
  const stranger = new Client();
  for (let i = 0; i < 6; i++) await wrong(stranger, user.username);
  expectProblem(await stranger.signIn(user.username, 'wrong'), 429, 'rate_limited');
  const known = { login: user.username, password: 'cloudy harbour seven' };
  expect((await client.post('/api/sessions', known, identity_token)).status).toBe(201);
});

it('a network that tries many logins is limited while other networks are not', async () => {
  const client = new Client();
  const statuses: number[] = [];
  for (let i = 0; i < 25; i++) statuses.push((await wrong(client, `nobody-${client.ip}-${i}`)).status);
  expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401));
  expect(statuses.slice(20)).toContain(429);
  expectProblem(await wrong(new Client(), `nobody-${client.ip}-x`), 401, 'invalid_credentials');
});
