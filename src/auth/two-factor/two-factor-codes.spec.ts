import { describe, expect, it } from 'vitest';
import {
  isRecoveryCode,
  newRecoveryCodes,
  newSecret,
  hashRecoveryCode,
  findTimeStep,
  secretUri,
} from './two-factor-codes.js';
import { delayAfter } from './two-factor-verification.service.js';

/** RFC 6238, appendix B, "12345678901234567890" with SHA-1: the last six of its eight digits. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe('app codes', () => {
  it.each([
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
  ])('at %i s include %s, also one step early or late', (seconds, code) => {
    const step = Math.floor(seconds / 30);
    expect(findTimeStep(code, SECRET, seconds * 1000)).toBe(step);
    expect(findTimeStep(code, SECRET, (step - 1) * 30_000)).toBe(step); // a clock that is slow
    expect(findTimeStep(code, SECRET, (step + 2) * 30_000 - 1)).toBe(step); // or fast
    expect(findTimeStep(code, SECRET, (step - 1) * 30_000 - 1)).toBeNull();
    expect(findTimeStep(code, SECRET, (step + 2) * 30_000)).toBeNull();
  });

  it('are accepted with spaces', () => expect(findTimeStep(' 287 082 ', SECRET, 59_000)).toBe(1));

  it.each(['287083', '28708', '2870820', '', '２８７０８２', '28708\u0000', '-287082x', 'NaN   '])(
    'do not include %j',
    (code) => {
      expect(findTimeStep(code, SECRET, 59_000)).toBeNull();
    },
  );

  it('are derived from secrets of 160 bits', () => {
    expect(newSecret()).toMatch(/^[A-Z2-7]{32}$/);
    expect(newSecret()).not.toBe(newSecret());
  });

  it('have a secret URI that authenticator apps can read', () => {
    const uri = new URL(secretUri(SECRET, 'Machi & Co', 'hana.sato'));
    expect([uri.protocol, uri.host]).toEqual(['otpauth:', 'totp']);
    expect(decodeURIComponent(uri.pathname)).toBe('/Machi & Co:hana.sato');
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      issuer: 'Machi & Co',
      secret: SECRET,
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
  });
});

describe('recovery codes', () => {
  const codes = newRecoveryCodes();
  const key = Buffer.alloc(32, 1);

  it('are ten codes of 80 bits each', () => {
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([a-km-np-z2-9]{4}-){3}[a-km-np-z2-9]{4}$/);
  });

  it('are accepted in any spelling', () => {
    const [code] = codes as [string];
    const typed = ` ${code.toUpperCase().replaceAll('-', ' ')} `;
    expect(isRecoveryCode(typed)).toBe(true);
    expect(hashRecoveryCode(key, 'a', typed)).toBe(hashRecoveryCode(key, 'a', code));
    expect(isRecoveryCode('492039')).toBe(false);
  });

  it('are hashed with a key and for one user', () => {
    const hash = hashRecoveryCode(key, 'a', codes[0]!);
    expect(hashRecoveryCode(Buffer.alloc(32, 2), 'a', codes[0]!)).not.toBe(hash);
    expect(hashRecoveryCode(key, 'b', codes[0]!)).not.toBe(hash);
  });
});

it('the delay after wrong codes doubles from 30 s up to 15 minutes', () => {
  const seconds = [1, 4, 5, 6, 7, 8, 9, 10, 11, 1000].map((wrong) => delayAfter(wrong) / 1000);
  expect(seconds).toEqual([0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
});
