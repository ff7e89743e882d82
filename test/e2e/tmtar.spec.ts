import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { claimsOf, Client, lifetimeOf } from './client.js';

/** The sign-in of the augmented-reality service, by both of its documented curl calls. */
const client = new Client();
const login = (token: string, method: 'GET' | 'POST' = 'GET') => client.request(method, '/api/users/login', { token });

describe('GET /api/users/login', () => {
  it('returns tokens of the root user for the identity of the administrator', async () => {
    const { status, body } = await login('just_admins_identity');
    expect([status, Object.keys(body).toSorted()]).toEqual([200, ['access_token', 'refresh_token', 'status']]);
    expect(body['status']).toBe('OK');
    const [access, refresh] = [body['access_token'], body['refresh_token']!];
    expect([lifetimeOf(access), lifetimeOf(refresh)]).toEqual([15, 30]);
    const me = await client.get('/api/users/me', access);
    expect(me.body).toMatchObject({ username: 'admin', permissions: { admin: true } });
    expect((await client.get('/api/audit', access)).status).toBe(200);
  });

  it('returns an access token and no refresh token for a refresh token', async () => {
    const first = await login('just_admins_identity');
    const { status, body } = await login(first.body['refresh_token']!);
    expect([status, Object.keys(body).toSorted(), body['status']]).toEqual([200, ['access_token', 'status'], 'OK']);
    expect((await client.get('/api/users/me', body['access_token'])).status).toBe(200);
  });

  it('finds the same user for the same identity and another user for another identity', async () => {
    const subject = `subject-${Date.now()}`;
    const who = async (name: string) => claimsOf((await login(name)).body['access_token'])['sub'];
    const first = await who(subject);
    expect(await who(subject)).toBe(first);
    expect(await who(`${subject}-other`)).not.toBe(first);
  });

  it('accepts POST', async () => expect((await login('just_admins_identity', 'POST')).status).toBe(200));

  it('answers expired and unknown tokens with the texts of its documentation', async () => {
    const { body } = await login('just_admins_identity');
    const refresh = body['refresh_token']!;
    await sleep(claimsOf(refresh).exp * 1000 - Date.now() + 500);
    const late = await login(refresh);
    expect([late.status, late.body['msg']]).toEqual([401, 'Token has expired']);
    const none = await client.get('/api/users/login');
    expect([none.status, none.body['msg']]).toEqual([401, 'Missing Authorization Header']);
  });
});
