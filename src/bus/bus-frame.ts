import type { BusDriver, WireFrame } from './bus-driver.js';

/** One message to other nodes. `head` is JSON; `body` is passed on as it is. */
export interface BusItem {
  kind: string;
  head: unknown;
  body?: Buffer | undefined;
}

/** An item as another node receives it. `body` is null if it was too long for the driver. */
export interface ReceivedItem {
  kind: string;
  head: unknown;
  body: Buffer | null;
}

/** A decoded frame. */
export interface BusFrame {
  /** The node that has published it. */
  publisher: string;
  partition: number;
  /** Counts the frames of this publisher and partition from 1. */
  count: number;
  /** Null if the items were too long for the driver. */
  items: ReceivedItem[] | null;
}

type Header = [publisher: string, count: number, items: [kind: string, head: unknown, bodyBytes: number][] | null];

const LOST = -1;

/**
 * Encodes the items of one flush for one partition: into one frame, unless the driver limits their size. `nextCount` is called
 * for each frame. Of an item that is too long alone, the body is left out; if that is not enough, the frame says that items are lost.
 */
export function encodeFrames(
  items: BusItem[],
  partition: number,
  publisher: string,
  nextCount: () => number,
  driver: Pick<BusDriver, 'maxBytes' | 'sizeOf'>,
): WireFrame[] {
  if (driver.maxBytes === Infinity || fits(encode(items, partition, publisher, 0), driver)) {
    return [encode(items, partition, publisher, nextCount())];
  }
  if (items.length > 1) {
    const half = items.length >> 1;
    return [items.slice(0, half), items.slice(half)].flatMap((part) =>
      encodeFrames(part, partition, publisher, nextCount, driver),
    );
  }
  const hint = { ...encode(items, partition, publisher, 0, true), body: null };
  const count = nextCount();
  if (fits(hint, driver)) return [{ ...encode(items, partition, publisher, count, true), body: null }];
  return [{ partition, header: JSON.stringify([publisher, count, null] satisfies Header), body: null }];
}

/** Throws on what is no frame. */
export function decodeFrame({ partition, header, body }: WireFrame): BusFrame {
  const [publisher, count, list] = JSON.parse(header) as Header;
  let at = 0;
  const items =
    list?.map(([kind, head, length]): ReceivedItem => {
      if (length === LOST || body === null) return { kind, head, body: null };
      at += length;
      return { kind, head, body: body.subarray(at - length, at) };
    }) ?? null;
  return { publisher, partition, count, items };
}

/** Room for the digits of a count. */
const COUNT_BYTES = 16;

const fits = ({ header, body }: WireFrame, driver: Pick<BusDriver, 'maxBytes' | 'sizeOf'>): boolean =>
  driver.sizeOf(Buffer.byteLength(header) + COUNT_BYTES, body?.length ?? 0) <= driver.maxBytes;

function encode(items: BusItem[], partition: number, publisher: string, count: number, isHint = false): WireFrame {
  const list = items.map(({ kind, head, body }): [string, unknown, number] => [
    kind,
    head,
    isHint && body ? LOST : (body?.length ?? 0),
  ]);
  const header: Header = [publisher, count, list];
  const bodies = isHint ? [] : items.flatMap(({ body }) => body ?? []);
  const body = bodies.length === 1 ? bodies[0]! : Buffer.concat(bodies);
  return { partition, header: JSON.stringify(header), body };
}
