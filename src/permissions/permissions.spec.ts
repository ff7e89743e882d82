import { describe, expect, it } from 'vitest';
import { type GroupRights, PERMISSION_NAMES, rightsOf } from './permissions.js';

const group = (permissions: GroupRights['permissions'], early_access_days = 0): GroupRights => ({
  id: 'x',
  name: 'x',
  permissions,
  early_access_days,
});

const granted = (...groups: GroupRights[]) => {
  const { permissions } = rightsOf(groups);
  expect(Object.keys(permissions)).toEqual(PERMISSION_NAMES);
  return PERMISSION_NAMES.filter((name) => permissions[name]);
};

describe('rightsOf', () => {
  it('returns no permission without groups', () => expect(granted()).toEqual([]));
  it('returns the union of the permissions of all groups', () =>
    expect(granted(group(['view_hidden']), group(['moderate_chat', 'view_hidden']))).toEqual([
      'view_hidden',
      'moderate_chat',
    ]));
  it('returns all permissions for admin', () => expect(granted(group(['admin']))).toEqual(PERMISSION_NAMES));
  it('returns early_access for a group with early-access days', () =>
    expect(granted(group([], 1))).toEqual(['early_access']));
  it('returns early_access for a group with that permission', () =>
    expect(granted(group(['early_access']))).toEqual(['early_access']));
  it('returns the largest number of early-access days', () =>
    expect(rightsOf([group([], 2), group([], 9), group([], 3)]).early_access_days).toBe(9));
});
