import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyFor, open, seal } from './sealed.js';

const config = { SECRET_KEY: randomBytes(32).toString('hex') };

describe('what is sealed', () => {
  const text = 'JBSWY3DPEHPK3PXP 秘密';
  const sealed = seal(config, 'a purpose', text);

  it('can be read again', () => expect(open(config, 'a purpose', sealed)).toBe(text));

  it('looks different each time', () => expect(seal(config, 'a purpose', text).equals(sealed)).toBe(false));

  it('does not hold the text', () => expect(sealed.includes(text)).toBe(false));

  it('opens for its purpose and its key only', () => {
    expect(() => open(config, 'another purpose', sealed)).toThrow();
    expect(() => open({ SECRET_KEY: 'x'.repeat(64) }, 'a purpose', sealed)).toThrow();
  });

  it.each([0, 12, sealed.length - 1])('is refused when byte %i has been changed', (at) => {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 1;
    expect(() => open(config, 'a purpose', changed)).toThrow();
  });

  it.each([0, 11, 27, sealed.length - 1])('is refused when cut to %i bytes', (length) => {
    expect(() => open(config, 'a purpose', sealed.subarray(0, length))).toThrow();
  });
});

it('each purpose has a key of its own', () => {
  expect(keyFor(config, 'a').equals(keyFor(config, 'b'))).toBe(false);
  expect(keyFor(config, 'a').equals(keyFor(config, 'a'))).toBe(true);
});
