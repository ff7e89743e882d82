import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PERMISSION_NAMES, type Permission, UNUSED_PERMISSIONS } from '../../src/permissions/permissions.js';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { ACCESS_TABLE } from '../support/api/access-table.js';
import { readSourceFiles, type SourceFile } from '../support/source-files.js';
import { routesOf } from '../support/api/routes.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

it('the list of unused permissions names those that no feature asks for', () => {
  const isFeature = ({ module }: SourceFile): boolean => !['permissions', 'groups', 'compat'].includes(module);
  const features = readSourceFiles().filter(isFeature);
  const unused = PERMISSION_NAMES.filter((name) => !features.some(({ code }) => code.includes(name)));
  expect(unused).toEqual(UNUSED_PERMISSIONS);
});

it('the table names every route', () => {
  expect(
    routesOf(t.app)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(Object.keys(ACCESS_TABLE).toSorted());
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

describe.each(Object.entries(ACCESS_TABLE))('%s (%s)', (route, access) => {
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
