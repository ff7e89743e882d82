import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

/** A queue with one turn at a time, whose tasks record their name and end when they are told to. */
function newQueue(maxWaiting = 100) {
  const queue = new FairQueue({ concurrency: 1, maxWaiting, onFull: () => new Error('full') });
  const started: string[] = [];
  const refused: string[] = [];
  let end!: () => void;
  const gate = new Promise<void>((resolve) => (end = resolve));
  const tasks: Promise<unknown>[] = [];
  const add = (name: string, ...path: string[]) => {
    const work = async () => {
      started.push(name);
      await gate;
    };
    tasks.push(queue.run(path, work).catch(() => refused.push(name)));
  };
  const finish = async () => {
    end();
    await Promise.all(tasks);
    return started;
  };
  return { add, finish, refused };
}

describe('FairQueue', () => {
  it('gives each network a turn, then each user of the network, then each task of the user', async () => {
    const { add, finish } = newQueue();
    for (const name of ['a1', 'a2', 'a3']) add(name, 'network A', 'user a');
    for (const name of ['b1', 'b2']) add(name, 'network A', 'user b');
    for (const name of ['c1', 'c2']) add(name, 'network C', 'user c');
    expect(await finish()).toEqual(['a1', 'a2', 'c1', 'b1', 'c2', 'a3', 'b2']);
  });

  it('refuses the newest task of the largest group when too many wait', async () => {
    const { add, finish, refused } = newQueue(4);
    for (const name of ['running', 'a1', 'a2', 'a3', 'a4']) add(name, 'network A', 'user a');
    add('a5', 'network A', 'user a');
    add('b1', 'network B', 'user b');
    add('b2', 'network B', 'user b');
    add('b3', 'network B', 'user b');
    expect(await finish()).toEqual(['running', 'a1', 'b1', 'a2', 'b2']);
    expect(refused).toEqual(['a5', 'a4', 'a3', 'b3']);
  });

  it('refuses the newcomer when each group has one task', async () => {
    const { add, finish, refused } = newQueue(2);
    for (const name of ['running', 'a', 'b', 'c']) add(name, name);
    expect(await finish()).toEqual(['running', 'a', 'b']);
    expect(refused).toEqual(['c']);
  });

  it('runs as many tasks at a time as configured, and goes on after one that fails', async () => {
    const queue = new FairQueue({ concurrency: 2, maxWaiting: 100, onFull: () => new Error('full') });
    let running = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      throw new Error('failed');
    };
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => queue.run([String(i % 3)], work)));
    expect([most, results.every(({ status }) => status === 'rejected')]).toEqual([2, true]);
  });

  it('runs each task in the asynchronous context in which it was added', async () => {
    const queue = new FairQueue({ concurrency: 1, maxWaiting: 100, onFull: () => new Error('full') });
    const context = new AsyncLocalStorage<number>();
    const seen = await Promise.all(
      [1, 2, 3].map((i) => context.run(i, () => queue.run(['a'], () => Promise.resolve(context.getStore())))),
    );
    expect(seen).toEqual([1, 2, 3]);
  });
});
