import { describe, expect, it } from 'vitest';
import { paddingCosts } from './passwords.service.js';

describe('a wrong password takes the same work', () => {
  it.each([4, 8, 10, 11, 12])('for a hash of cost %i as for an unknown user at cost 12', (cost) => {
    const rounds = [cost, ...paddingCosts(cost, 12)].reduce((sum, each) => sum + 2 ** each, 0);
    expect(rounds).toBe(2 ** 12);
  });

  it('and no more where the configured cost has fallen', () => expect(paddingCosts(13, 12)).toEqual([]));
});
