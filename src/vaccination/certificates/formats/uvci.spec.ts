import { describe, expect, it } from 'vitest';
import { createUvci, isUvci } from './uvci.js';

describe('isUvci', () => {
  // The first two are examples of the European Union and of Austria.
  it.each([
    ['URN:UVCI:01:NL:DADFCC47C7334E45A906DB12FD859FB7#1', true],
    ['URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#B', true],
    ['URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#C', false],
    ['URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD831#B', false],
    ['URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813', false],
    ['', false],
  ])('of %s is %s', (text, expected) => {
    expect(isUvci(text)).toBe(expected);
  });

  it('finds each wrong character', () => {
    const uvci = createUvci('BD');
    expect(uvci).toMatch(/^URN:UVCI:01:BD:[0-9A-F]{32}#[A-Z0-9/:]$/);
    expect(isUvci(uvci)).toBe(true);
    for (let i = 15; i < 47; i++) {
      const wrong = uvci[i] === '0' ? '1' : '0';
      expect(isUvci(uvci.slice(0, i) + wrong + uvci.slice(i + 1))).toBe(false);
    }
  });
});
