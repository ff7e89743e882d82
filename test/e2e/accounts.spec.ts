import { beforeEach, describe, expect, it } from 'vitest';
import { claimsOf, Client, expectProblem, lifetimeOf, PASSWORD } from './client.js';

let client: Client;
beforeEach(() => {
  client = new Client();
});

const NEXT_PASSWORD = 'silent meadow ninety';

describe('registering', () => {
  it('creates a user who can sign in by username or e-mail address in any letter case', async () => {
    const { username, email, id } = await client.register();
    for (const login of [username, username.toUpperCase(), email]) {
      const { status, body } = await client.signIn(login);
      expect([status, (body['user'] as { id: string }).id]).toEqual([201, id]);
    }
  });

  it('returns neither the password nor its hash', async () => {
    const { username } = await client.register();
    const { text, body } = await client.signIn(username);
    const me = await client.get('/api/users/me', body['identity_token']);
    expect(me.body).toMatchObject({ username, fullname: 'Hana Sató', is_active: true, groups: [] });
    for (const answer of [text, me.text]) expect(answer).not.toMatch(/password|hash|\$2b\$/);
  });

  it('answers 409 for a username that is taken', async () => {
    const { username } = await client.register();
    const again = { username: username.toUpperCase(), password: PASSWORD, fullname: 'Another' };
    expectProblem(await client.post('/api/users', again), 409, 'username_taken');
  });

  it('refuses common passwords', async () => {
    const answer = await client.post('/api/users', { username: 'guess', password: 'password1', fullname: 'A' });
    expectProblem(answer, 422, 'password_refused');
  });
});

describe('signing in', () => {
  it('returns tokens with the claims of the manga site and the lifetimes of this stack', async () => {
    const { identity_token, refresh_token, user } = await client.user();
    const identity = claimsOf(identity_token);
    expect(identity).toMatchObject({
      iss: expect.any(String),
      nbf: identity.iat,
      user: { uid: user.id, username: user.username, groups: [] },
    });
    expect((identity['user'] as { permissions: object }).permissions).toMatchObject({
      admin: false,
      early_access: false,
      manage_projects: false,
      upload_chapters: false,
      moderate_avatars: false,
      view_hidden: false,
    });
    expect(claimsOf(refresh_token)['id_token']).toBe(identity['jti']);
    expect([lifetimeOf(identity_token), lifetimeOf(refresh_token)]).toEqual([15, 30]);
  });

  it('answers unknown usernames and wrong passwords alike', async () => {
    const { username } = await client.register();
    const [wrong, unknown] = [await client.signIn(username, 'wrong'), await client.signIn(`${username}x`, 'wrong')];
    for (const answer of [wrong, unknown]) {
      expectProblem(answer, 401, 'invalid_credentials');
      delete answer.body['request_id'];
    }
    expect(wrong.body).toEqual(unknown.body);
  });

  it('refuses a token whose claims were changed', async () => {
    const { identity_token } = await client.user();
    const [header, claims, signature] = identity_token.split('.');
    const forged = Buffer.from(JSON.stringify({ ...claimsOf(identity_token), exp: 9_999_999_999 })).toString(
      'base64url',
    );
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const token of [`${header}.${forged}.${signature}`, `${unsigned}.${claims}.`, 'x']) {
      const answer = await client.get('/api/users/me', token);
      expectProblem(answer, 401, 'invalid_token');
      expect(answer.body['msg']).toBe('Token has expired');
    }
  });
});

describe('a profile', () => {
  it('can be changed by its owner in the permitted fields', async () => {
    const { identity_token: token } = await client.user();
    const change = { fullname: 'Hana Suzuki', phone_number: '+81312345678' };
    const changed = await client.request('PATCH', '/api/users/me', { token, body: change });
    expect([changed.status, changed.body]).toMatchObject([200, change]);
    const grabbed = await client.request('PATCH', '/api/users/me', { token, body: { is_active: true } });
    expectProblem(grabbed, 422, 'validation_failed');
  });

  it('shows only its public fields to other users', async () => {
    const { user } = await client.user();
    const { identity_token: stranger } = await client.user();
    const { body } = await client.get(`/api/users/${user.id}`, stranger);
    expect(body).toMatchObject({ id: user.id, username: user.username });
    for (const name of ['email', 'phone_number', 'address', 'groups']) expect(body).not.toHaveProperty(name);
  });

  it('can be found by a part of the name', async () => {
    const { user, identity_token } = await client.user();
    const { body } = await client.get(`/api/users?q=${user.username.slice(2)}`, identity_token);
    expect((body['items'] as { id: string }[]).map(({ id }) => id)).toEqual([user.id]);
  });
});

it('a password change ends all sessions and invalidates the old password', async () => {
  const first = await client.user();
  const { username } = first.user;
  const second = (await client.signIn(username)).body as { identity_token: string; refresh_token: string };
  const change = { current_password: PASSWORD, new_password: NEXT_PASSWORD };
  const token = second.identity_token;
  expect((await client.request('PUT', '/api/users/me/password', { token, body: change })).status).toBe(204);
  for (const { identity_token, refresh_token } of [first, second]) {
    expectProblem(await client.get('/api/users/me', identity_token), 401, 'invalid_token');
    expect((await client.post('/api/sessions/refresh', { refresh_token })).status).toBe(401);
  }
  expectProblem(await client.signIn(username), 401, 'invalid_credentials');
  expect((await client.signIn(username, NEXT_PASSWORD)).status).toBe(201);
});
