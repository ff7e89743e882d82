import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PERMISSION_NAMES, type Permission } from '../../src/permissions/permissions.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { routesOf } from '../support/routes.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

/** Who may call which route, written by hand: a route that is missing here, or that admits others, fails. */
const TABLE: Record<string, 'public' | 'signed in' | 'any token of ours' | 'answers 401 itself' | Permission> = {
  'GET /api/ws': 'public', // closes the socket when the token is missing
  'GET /api/health': 'public',
  'GET /api/health/live': 'public',
  'GET /api/health/ready': 'public',
  'GET /api/misc/ping': 'public',
  'GET /api/permissions': 'signed in',
  'POST /api/users': 'public',
  'GET /api/users': 'signed in',
  'GET /api/users/me': 'signed in',
  'PATCH /api/users/me': 'signed in',
  'DELETE /api/users/me': 'signed in',
  'GET /api/users/:id': 'signed in',
  'PATCH /api/users/:id': 'admin',
  'DELETE /api/users/:id': 'admin',
  'DELETE /api/users/:id/lock': 'admin',
  'GET /api/users/:id/sessions': 'admin',
  'DELETE /api/users/:id/sessions': 'admin',
  'DELETE /api/users/:id/sessions/:session_id': 'admin',
  'GET /api/groups': 'signed in',
  'POST /api/groups': 'admin',
  'GET /api/groups/:id': 'signed in',
  'PATCH /api/groups/:id': 'admin',
  'DELETE /api/groups/:id': 'admin',
  'GET /api/groups/:id/members': 'admin',
  'PUT /api/groups/:id/members/:user_id': 'admin',
  'DELETE /api/groups/:id/members/:user_id': 'admin',
  'POST /api/sessions': 'public',
  'POST /api/sessions/refresh': 'public',
  'GET /api/sessions': 'signed in',
  'GET /api/sessions/current': 'signed in',
  'DELETE /api/sessions': 'signed in',
  'DELETE /api/sessions/current': 'any token of ours',
  'DELETE /api/sessions/:id': 'signed in',
  'PUT /api/users/me/password': 'signed in',
  'POST /api/sessions/exchange': 'public',
  'GET /api/users/me/identities': 'signed in',
  'POST /api/users/me/identities': 'signed in',
  'DELETE /api/users/me/identities/:id': 'signed in',
  'GET /api/users/me/two-factor': 'signed in',
  'GET /api/users/me/two-step': 'signed in',
  'POST /api/users/me/two-factor': 'signed in',
  'POST /api/users/me/two-step': 'signed in',
  'POST /api/users/me/two-factor/confirm': 'signed in',
  'POST /api/users/me/two-step/confirm': 'signed in',
  'POST /api/users/me/two-factor/recovery-codes': 'signed in',
  'POST /api/users/me/two-step/recovery-codes': 'signed in',
  'DELETE /api/users/me/two-factor': 'signed in',
  'DELETE /api/users/me/two-step': 'signed in',
  'DELETE /api/users/:id/two-factor': 'admin',
  'DELETE /api/users/:id/two-step': 'admin',
  'POST /api/sessions/two-factor': 'public',
  'POST /api/sessions/two-step': 'public',
  'POST /api/users/me/passkeys/options': 'signed in',
  'POST /api/users/me/passkeys': 'signed in',
  'GET /api/users/me/passkeys': 'signed in',
  'PATCH /api/users/me/passkeys/:id': 'signed in',
  'DELETE /api/users/me/passkeys/:id': 'signed in',
  'POST /api/sessions/passkey/options': 'public',
  'POST /api/sessions/passkey': 'public',
  'GET /api/audit': 'admin',
  'POST /api/register': 'public',
  'POST /api/auth/login': 'public',
  'GET /api/auth/verify': 'answers 401 itself',
  'POST /api/create': 'public',
  'POST /api/login': 'public',
  'GET /api/profile': 'signed in',
  'POST /api/forgot_password': 'public',
  'POST /api/forgot': 'public',
  'POST /api/validate_code': 'public',
  'POST /api/validate': 'public',
  'GET /api/users/login': 'answers 401 itself',
  'POST /api/users/login': 'answers 401 itself',
  'GET /api/users/profile': 'signed in',
  'GET /.well-known/jwks.json': 'public',
  'POST /api/password-resets': 'public',
  'POST /api/password-resets/validate': 'public',
  'PUT /api/password-resets': 'public',
  'POST /api/users/:id/password-reset': 'admin',
  'POST /api/users/me/email-verification': 'signed in',
  'POST /api/email-verifications': 'public',
  'GET /api/email-verifications/:token': 'public',
  'POST /api/email-verifications/:token': 'public',
  'GET /api/users/me/avatar': 'signed in',
  'PUT /api/users/me/avatar': 'signed in',
  'DELETE /api/users/me/avatar': 'signed in',
  'GET /api/users/:id/avatar': 'public',
  'GET /api/avatars/:id/:size.webp': 'public',
  'GET /api/moderation/avatars': 'moderate_avatars',
  'POST /api/moderation/avatars/:id/approve': 'moderate_avatars',
  'POST /api/moderation/avatars/:id/reject': 'moderate_avatars',
  'DELETE /api/moderation/users/:id/avatar': 'moderate_avatars',
};

it('the table names every route', () => {
  expect(
    routesOf(t.app)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(Object.keys(TABLE).toSorted());
});

const UNKNOWN_ID = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

async function call(route: string, token?: string) {
  const [method, path] = route.split(' ') as [string, string];
  const body = method === 'GET' ? undefined : {};
  const { status, body: problem } = await t.request(method, path.replaceAll(/:\w+/g, UNKNOWN_ID), { token, body });
  return { status, code: problem['code'] };
}

const users = new Map<Permission | undefined, SignedInUser>();

/** A user with this permission, made once and used for all routes until one of them may have changed the user. */
async function userWith(permission: Permission | undefined): Promise<SignedInUser> {
  const user = users.get(permission) ?? (await t.user(...(permission ? [permission] : [])));
  users.set(permission, user);
  return user;
}

describe.each(Object.entries(TABLE))('%s (%s)', (route, access) => {
  it('answers requests without a token as the table says', async () => {
    const { status, code } = await call(route);
    if (access === 'answers 401 itself') expect(status).toBe(401);
    else if (access === 'public') expect(status).not.toBe(401);
    else expect([status, code]).toEqual([401, 'token_required']);
  });

  it('answers 403 to users without the permission that the table names, and to no others', async () => {
    for (const permission of [undefined, ...PERMISSION_NAMES]) {
      const { status } = await call(route, (await userWith(permission)).token);
      if (status < 300 && !route.startsWith('GET')) users.delete(permission);
      const isOpen = ['public', 'signed in', 'any token of ours', 'answers 401 itself'].includes(access);
      const allowed = isOpen || permission === 'admin' || permission === access;
      if (allowed) expect([permission, status]).not.toEqual([permission, 403]);
      else expect([permission, status]).toEqual([permission, 403]);
      if (access !== 'answers 401 itself') expect([permission, status]).not.toEqual([permission, 401]);
    }
  });
});
