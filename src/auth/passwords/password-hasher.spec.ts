import { describe, expect, it } from 'vitest';
import { paddingCosts } from './password-hasher.service.js';

describe('paddingCosts', () => {
  it.each([4, 8, 10, 11, 12])('brings a failed comparison of cost %i to the rounds of cost 12', (cost) => {
    const rounds = [cost, ...paddingCosts(cost, 12)].reduce((sum, each) => sum + 2 ** each, 0);
    expect(rounds).toBe(2 ** 12);
  });

  it('adds nothing when the configured cost is lower than the cost of the hash', () => {
    expect(paddingCosts(13, 12)).toEqual([]);
  });
});
