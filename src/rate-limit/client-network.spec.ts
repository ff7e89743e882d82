import { describe, expect, it } from 'vitest';
import { networksOf } from './client-network.js';

describe('networksOf', () => {
  it.each([
    ['203.0.113.9', [['203.0.113.9', 1]]],
    ['::ffff:203.0.113.9', [['203.0.113.9', 1]]],
    [null, [['unknown', 1]]],
    [
      '2001:db8:1:2:3:4:5:6',
      [
        ['20010db800010002', 1],
        ['20010db80001', 10],
      ],
    ],
  ])('counts %s under its networks, the narrowest first', (ip, expected) => {
    expect(networksOf(ip).map(({ key, scale }) => [key, scale])).toEqual(expected);
  });
});
