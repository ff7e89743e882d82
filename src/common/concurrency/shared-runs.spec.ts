import { describe, expect, it } from 'vitest';
import { SharedReads, SharedRuns } from './shared-runs.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Reads that end when they are told to; each returns its number. */
function controlled() {
  const ends: (() => void)[] = [];
  const read = (): Promise<number> =>
    new Promise((resolve) => {
      const number = ends.push(() => resolve(number));
    });
  return { ends, read };
}

describe('SharedReads', () => {
  it('reads once for the callers of a turn, and once more for those that come while it reads', async () => {
    const { ends, read } = controlled();
    const reads = new SharedReads<number>();
    const first = [reads.read('a', read), reads.read('a', read)];
    await turn();
    expect(ends).toHaveLength(1);
    const later = [reads.read('a', read), reads.read('a', read)]; // what the first read has seen may have changed since
    await turn();
    ends[0]!();
    await turn();
    ends[1]!();
    expect(await Promise.all([...first, ...later])).toEqual([1, 1, 2, 2]);
    expect(ends).toHaveLength(2);
  });

  it('reads each key by itself, and forgets keys that nobody waits for', async () => {
    const reads = new SharedReads<string>();
    const all = ['a', 'b', 'a'].map((key) => reads.read(key, () => Promise.resolve(key)));
    expect(reads.size).toBe(2);
    expect(await Promise.all(all)).toEqual(['a', 'b', 'a']);
    expect(reads.size).toBe(0);
  });

  it('tells all that share a failed read, and reads anew after it', async () => {
    const reads = new SharedReads<string>();
    const failing = [1, 2].map(() => reads.read('a', () => Promise.reject(new Error('no connection'))));
    const results = await Promise.allSettled(failing);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(reads.size).toBe(0);
    expect(await reads.read('a', () => Promise.resolve('again'))).toBe('again');
  });
});

describe('SharedRuns', () => {
  it('does not wait for a run that takes long', async () => {
    const { ends, read } = controlled();
    const runs = new SharedRuns<string, number>(read, 1);
    const first = runs.join('a');
    await turn();
    const second = runs.join('b');
    await expect.poll(() => ends.length).toBe(2);
    ends[1]!();
    expect(await second).toBe(2);
    expect(runs.isIdle).toBe(true);
    ends[0]!();
    expect(await first).toBe(1);
  });
});
