import { describe, expect, it } from 'vitest';
import { type GroupRights, PERMISSION_NAMES, rightsOf } from './permissions.js';

const group = (permissions: GroupRights['permissions'], early_access_days = 0): GroupRights => ({ id: 'x', name: 'x', permissions, early_access_days }); // prettier-ignore

const granted = (...groups: GroupRights[]) => {
  const { permissions } = rightsOf(groups);
  expect(Object.keys(permissions)).toEqual(PERMISSION_NAMES);
  return PERMISSION_NAMES.filter((name) => permissions[name]);
};

describe('rights', () => {
  it('are none without groups', () => expect(granted()).toEqual([]));
  it('are the union of groups', () => expect(granted(group(['view_hidden']), group(['moderate_chat', 'view_hidden']))).toEqual(['view_hidden', 'moderate_chat'])); // prettier-ignore
  it('are all for admin', () => expect(granted(group(['admin']))).toEqual(PERMISSION_NAMES));
  it('hold early access where a group has days', () => expect(granted(group([], 1))).toEqual(['early_access']));
  it('hold early access where a group says so', () =>
    expect(granted(group(['early_access']))).toEqual(['early_access']));
  it('count the most days', () =>
    expect(rightsOf([group([], 2), group([], 9), group([], 3)]).early_access_days).toBe(9));
});
