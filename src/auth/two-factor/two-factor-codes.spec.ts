import { describe, expect, it } from 'vitest';
import { isRecoveryCode, newRecoveryCodes, newSecret, recoveryHash, stepOf, uriOf } from './two-factor-codes.js';
import { waitAfter } from './two-factor-sign-in.service.js';

/** RFC 6238, appendix B, "12345678901234567890" with SHA-1: the last six of its eight digits. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe('codes of authenticator apps', () => {
  it.each([
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
  ])('at %i s: %s', (seconds, code) => {
    const step = Math.floor(seconds / 30);
    expect(stepOf(code, SECRET, seconds * 1000)).toBe(step);
    expect(stepOf(code, SECRET, (step - 1) * 30_000)).toBe(step); // a clock that is slow
    expect(stepOf(code, SECRET, (step + 2) * 30_000 - 1)).toBe(step); // or fast
    expect(stepOf(code, SECRET, (step - 1) * 30_000 - 1)).toBeNull();
    expect(stepOf(code, SECRET, (step + 2) * 30_000)).toBeNull();
  });

  it('as people type them', () => expect(stepOf(' 287 082 ', SECRET, 59_000)).toBe(1));

  it.each(['287083', '28708', '2870820', '', '２８７０８２', '28708\u0000', '-287082x', 'NaN   '])('not %j', (code) => {
    expect(stepOf(code, SECRET, 59_000)).toBeNull();
  });

  it('come from secrets of 160 bits', () => {
    expect(newSecret()).toMatch(/^[A-Z2-7]{32}$/);
    expect(newSecret()).not.toBe(newSecret());
  });

  it('have an address that apps understand', () => {
    const uri = new URL(uriOf(SECRET, 'Machi & Co', 'hana.sato'));
    expect([uri.protocol, uri.host]).toEqual(['otpauth:', 'totp']);
    expect(decodeURIComponent(uri.pathname)).toBe('/Machi & Co:hana.sato');
    expect(Object.fromEntries(uri.searchParams)).toEqual({ issuer: 'Machi & Co', secret: SECRET, algorithm: 'SHA1', digits: '6', period: '30' }); // prettier-ignore
  });
});

describe('recovery codes', () => {
  const codes = newRecoveryCodes();
  const key = Buffer.alloc(32, 1);

  it('are ten, each of 80 bits', () => {
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([a-km-np-z2-9]{4}-){3}[a-km-np-z2-9]{4}$/);
  });

  it('count however they are typed', () => {
    const [code] = codes as [string];
    const typed = ` ${code.toUpperCase().replaceAll('-', ' ')} `;
    expect(isRecoveryCode(typed)).toBe(true);
    expect(recoveryHash(key, 'a', typed)).toBe(recoveryHash(key, 'a', code));
    expect(isRecoveryCode('492039')).toBe(false);
  });

  it('are stored under a key, for one user', () => {
    const hash = recoveryHash(key, 'a', codes[0]!);
    expect(recoveryHash(Buffer.alloc(32, 2), 'a', codes[0]!)).not.toBe(hash);
    expect(recoveryHash(key, 'b', codes[0]!)).not.toBe(hash);
  });
});

it('wrong codes make everybody wait, longer each time', () => {
  const seconds = [1, 4, 5, 6, 7, 8, 9, 10, 11, 1000].map((wrong) => waitAfter(wrong) / 1000);
  expect(seconds).toEqual([0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
});
