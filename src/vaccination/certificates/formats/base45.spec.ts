import base45 from 'base45';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeBase45, encodeBase45 } from './base45.js';

describe('Base45', () => {
  // RFC 9285, section 4.
  it.each([
    ['AB', 'BB8'],
    ['Hello!!', '%69 VD92EX0'],
    ['base-45', 'UJCLQE7W581'],
    ['ietf!', 'QED8WEX0'],
    ['', ''],
  ])('writes %j as %j', (bytes, text) => {
    expect(encodeBase45(Buffer.from(bytes))).toBe(text);
    expect(decodeBase45(text)?.toString()).toBe(bytes);
  });

  it('agrees with another implementation about random bytes', () => {
    for (let length = 0; length < 200; length++) {
      const bytes = randomBytes(length);
      expect(encodeBase45(bytes)).toBe(base45.encode(bytes));
      expect(decodeBase45(base45.encode(bytes))).toEqual(bytes);
    }
  });

  it.each(['A', 'AAAA', 'GGW', ':::', '::', 'aaa', 'AA\u00e9', 'A\0A', '\ud800AA', 'AA_'])('refuses %j', (text) => {
    expect(decodeBase45(text)).toBeUndefined();
  });
});
