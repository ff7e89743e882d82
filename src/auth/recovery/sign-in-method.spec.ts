import { describe, expect, it } from 'vitest';
import { describeMethod, divideMethods, type SignInMethod } from './sign-in-method.js';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
/** So many days ago. */
const ago = (days: number): Date => new Date(NOW - days * DAY);

const method = (id: string, added: number, used: number | null = null): SignInMethod => ({
  kind: 'passkey',
  id,
  addedAt: ago(added),
  lastUsedAt: used === null ? null : ago(used),
});

/** The ids of the methods that an account of 1,000 days keeps, with a quarantine of 30 days. */
const kept = (methods: SignInMethod[], lastPasswordSignIn: number | null = null, quarantine = 30 * DAY): string[] =>
  divideMethods(
    methods,
    { createdAt: ago(1000), lastPasswordSignIn: lastPasswordSignIn === null ? null : ago(lastPasswordSignIn) },
    NOW - quarantine,
  ).kept.map(({ id }) => id);

describe('divideMethods', () => {
  it.each<[string, SignInMethod[], number | null, string[]]>([
    ['a method of 29 days', [method('a', 29)], 1, []],
    ['a method of 30 days, with a password sign-in since', [method('a', 30)], 1, ['a']],
    ['a method of 60 days, with the last password sign-in before', [method('a', 60, 1)], 61, []],
    ['a method of 60 days, never with a password sign-in', [method('a', 60, 1)], null, []],
    ['the method with which the account was created', [method('a', 1000)], null, ['a']],
    ['a method of 60 days, with an older one used since', [method('a', 1000, 59), method('b', 60)], null, ['a', 'b']],
    ['a method of 60 days, with an older one last used before', [method('a', 1000, 61), method('b', 60)], null, ['a']],
    ['a chain of methods that only vouch for each other', [method('a', 70, 1), method('b', 60, 1)], 80, []],
    ['methods in any order', [method('b', 60), method('a', 1000, 59)], null, ['a', 'b']],
  ])('decides about %s', (_, methods, lastPasswordSignIn, expected) => {
    expect(kept(methods, lastPasswordSignIn)).toEqual(expected);
  });

  it('removes every method with an endless quarantine', () => {
    expect(kept([method('a', 1000, 1)], 1, Infinity)).toEqual([]);
  });

  it('divides all methods into kept and removed', () => {
    const methods = [method('a', 1000, 59), method('b', 60), method('c', 3)];
    const { kept: left, removed } = divideMethods(
      methods,
      { createdAt: ago(1000), lastPasswordSignIn: null },
      NOW - 30 * DAY,
    );
    expect([...left, ...removed]).toHaveLength(3);
    expect(removed.map(({ id }) => id)).toEqual(['c']);
  });
});

it('describeMethod names the kind, the issuer and the days, and never the name of a passkey', () => {
  const identity = { ...method('a', 10, 3), kind: 'identity', issuer: 'https://id.example.org' } as const;
  expect(describeMethod(identity)).toBe(
    'Account of https://id.example.org, added on 2026-05-22, last used on 2026-05-29',
  );
  expect(describeMethod(method('a', 10))).toBe('Passkey, added on 2026-05-22, never used');
});
