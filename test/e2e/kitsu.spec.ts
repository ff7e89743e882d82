import { describe, expect, it } from 'vitest';
import { Client, expectProblem, PASSWORD, uniqueName } from './client.js';

/** The sign-in of the anime site. */
const client = new Client();
const TOKENS = { access_token: expect.any(String), refresh_token: expect.any(String), token_type: 'bearer' };

describe('the anime site', () => {
  it('registers, signs in, reads its user, refreshes and signs out', async () => {
    const name = uniqueName();
    const user = { email: `${name}@example.org`, password: PASSWORD };
    const registered = await client.post('/api/auth/register', user);
    expect([registered.status, registered.body]).toEqual([201, TOKENS]);
    const login = await client.post('/api/auth/login', user);
    expect([login.status, login.body]).toEqual([200, TOKENS]);
    const me = await client.get('/api/users/me', login.body['access_token']);
    expect(me.body).toMatchObject({ username: name, email: user.email });
    const refreshed = await client.post('/api/auth/refresh', { refresh_token: login.body['refresh_token'] });
    expect([refreshed.status, refreshed.body]).toEqual([200, TOKENS]);
    const logout = await client.post('/api/auth/logout', { refresh_token: refreshed.body['refresh_token'] });
    expect([logout.status, logout.text]).toEqual([204, '']);
    expectProblem(await client.get('/api/users/me', refreshed.body['access_token']), 401, 'invalid_token');
  });

  it('gets 401 for unknown users and wrong passwords, and shares its sign-in route with the chat app', async () => {
    const name = uniqueName();
    const email = `${name}@example.org`;
    await client.post('/api/auth/register', { email, password: PASSWORD });
    expectProblem(await client.post('/api/auth/login', { email, password: 'x' }), 401, 'invalid_credentials');
    expectProblem(
      await client.post('/api/auth/login', { email: `x${email}`, password: 'x' }),
      401,
      'invalid_credentials',
    );
    const chatapp = await client.post('/api/auth/login', { username: name, password: PASSWORD });
    expect([chatapp.status, chatapp.text]).toEqual([202, 'login successful']);
  });
});
