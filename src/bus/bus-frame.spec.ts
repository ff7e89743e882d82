import { describe, expect, it } from 'vitest';
import type { BusItem } from './bus-frame.js';
import { decodeFrame, encodeFrames } from './bus-frame.js';

const UNLIMITED = { maxBytes: Infinity, sizeOf: (header: number, body: number) => header + body };
const limited = (maxBytes: number) => ({ ...UNLIMITED, maxBytes });

const item = (head: unknown, text = 'text'): BusItem => ({ kind: 'messages', head, body: Buffer.from(text) });

function encode(items: BusItem[], driver = UNLIMITED) {
  let count = 0;
  return encodeFrames(items, 3, 'node', () => ++count, driver);
}

describe('frames of the bus', () => {
  it('carry the items of a flush with their bodies', () => {
    const frames = encode([item([1], 'one'), { kind: 'push', head: 'no body' }, item([2], 'twø')]);
    expect(frames).toHaveLength(1);
    const { publisher, partition, count, items } = decodeFrame(frames[0]!);
    expect({ publisher, partition, count }).toEqual({ publisher: 'node', partition: 3, count: 1 });
    expect(items!.map(({ kind, head, body }) => [kind, head, body?.toString()])).toEqual([
      ['messages', [1], 'one'],
      ['push', 'no body', ''],
      ['messages', [2], 'twø'],
    ]);
  });

  it('are divided if they exceed the limit of the driver, and are counted', () => {
    const frames = encode([item(1, 'x'.repeat(60)), item(2, 'y'.repeat(60))], limited(120)).map(decodeFrame);
    expect(frames.map(({ count, items }) => [count, items!.map(({ head }) => head)])).toEqual([
      [1, [1]],
      [2, [2]],
    ]);
  });

  it('leave out the body of an item that is too long alone, and its head if that is not enough', () => {
    const [hint] = encode([item('head', 'x'.repeat(200))], limited(120)).map(decodeFrame);
    expect(hint!.items).toEqual([{ kind: 'messages', head: 'head', body: null }]);
    const [lost] = encode([item('h'.repeat(200))], limited(120)).map(decodeFrame);
    expect(lost).toMatchObject({ count: 1, items: null });
  });
});
