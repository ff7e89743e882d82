import { describe, expect, it } from 'vitest';
import { Client, PASSWORD, uniqueName } from './client.js';

/** The routes that the chat app documents, called as its curl calls do: JSON under the type of a form. */
const client = new Client();
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  client.request('POST', path, {
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });

const plain = async (answer: ReturnType<typeof post>) => {
  const { status, text, headers } = await answer;
  expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
  return [status, text];
};

const person = (username: string) => ({ username, password: PASSWORD, fullname: 'A person' });

describe('the chat app', () => {
  it('answers pong', async () => expect(await plain(client.get('/api/misc/ping'))).toEqual([200, 'pong']));

  it('registers a user, signs in with a cookie and greets the user', async () => {
    const username = uniqueName();
    expect(await plain(post('/api/register', person(username)))).toEqual([201, 'registered']);
    const login = await post('/api/auth/login', { username, password: PASSWORD });
    expect([login.status, login.text]).toEqual([202, 'login successful']);
    const cookie = login.headers.get('set-cookie')!;
    expect(cookie).toMatch(/^login-token=[\w.-]+; HttpOnly; Max-Age=3600; Path=\/; Secure; SameSite=Lax$/);
    const headers = { cookie: cookie.split(';')[0]! };
    const greet = client.request('GET', '/api/auth/verify', { headers });
    expect(await plain(greet)).toEqual([200, `Hello, ${username}`]);
  });

  it('answers failures with the texts of its documentation', async () => {
    const username = uniqueName();
    await post('/api/register', person(username));
    const refusals: [string, unknown, number, string][] = [
      ['/api/register', '{', 400, 'not a valid json'],
      ['/api/register', {}, 400, 'username required'],
      ['/api/register', { username }, 400, 'password required'],
      ['/api/register', { username, password: PASSWORD }, 400, 'fullname required'],
      ['/api/register', { ...person(username), password: 1 }, 400, 'password should be a string'],
      ['/api/register', { ...person(username), fullname: '' }, 400, 'fullname should not be empty'],
      ['/api/register', person(username), 409, 'username already exists'],
      ['/api/auth/login', { username, password: 'wrong' }, 401, 'mismatch username and password'],
      ['/api/auth/login', { username: uniqueName(), password: 'x' }, 401, 'mismatch username and password'],
    ];
    for (const [path, body, status, sentence] of refusals) {
      expect(await plain(post(path, body))).toEqual([status, sentence]);
    }
    expect(await plain(client.get('/api/auth/verify'))).toEqual([401, 'login-token required']);
    const junk = client.request('GET', '/api/auth/verify', { headers: { cookie: 'login-token=junk' } });
    expect(await plain(junk)).toEqual([401, 'invalid login-token']);
  });

  it('refuses sign-ins from foreign origins', async () => {
    const { status } = await post(
      '/api/auth/login',
      { username: 'a', password: 'b' },
      { origin: 'https://evil.example' },
    );
    expect(status).toBe(403);
  });
});
