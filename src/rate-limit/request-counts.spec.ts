import { describe, expect, it } from 'vitest';
import { RequestCounts } from './request-counts.js';

const WINDOW_MS = 60_000;

describe('RequestCounts', () => {
  it('counts each network on its own', () => {
    const counts = new RequestCounts();
    const countOf = (network: string) => counts.increment(network, 1000, WINDOW_MS).count;
    expect([countOf('a'), countOf('a'), countOf('b'), countOf('a')]).toEqual([1, 2, 1, 3]);
  });

  it('starts again when the window ends, and when the clock is set back', () => {
    const counts = new RequestCounts();
    const countAt = (now: number) => counts.increment('a', now, WINDOW_MS).count;
    expect([countAt(1000), countAt(60_999), countAt(61_000), countAt(61_001), countAt(0)]).toEqual([1, 2, 1, 2, 1]);
  });

  it('lets further networks through while it counts 100,000, and goes on counting those', () => {
    const counts = new RequestCounts();
    const countOf = (network: string) => counts.increment(network, 0, WINDOW_MS).count;
    for (let i = 0; i < 100_000; i++) countOf(`n${i}`);
    expect([countOf('new'), countOf('new'), countOf('n0')]).toEqual([1, 1, 2]);
  });
});
