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

  it('of several nodes together count the requests that they share', () => {
    const [here, there] = [new RequestCounts(true), new RequestCounts(true)];
    const count = (counts: RequestCounts, times: number, now: number, network = 'a') => {
      let last = 0;
      for (let i = 0; i < times; i++) last = counts.increment(network, now, WINDOW_MS).count;
      return last;
    };
    const share = () => {
      const { requests, windowEnd } = here.takeUnshared();
      there.addRemote(requests, windowEnd);
      return requests;
    };
    count(there, 5, 61_000);
    count(here, 30, 62_000);
    count(here, 3, 62_000, 'rare'); // too few to be shared
    expect(share()).toEqual([['a', 30]]);
    expect(share()).toEqual([]);
    expect(count(there, 1, 63_000)).toBe(36);
    count(here, 1, 64_000);
    expect(share()).toEqual([['a', 1]]);
    expect(count(there, 1, 120_000)).toBe(1); // the next window
    count(here, 30, 119_000);
    share();
    expect(count(there, 1, 120_001)).toBe(2); // what was counted in the window before does not count
  });
});
