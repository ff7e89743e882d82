/** A box of ISO/IEC 14496-12: its type, where it starts, and where its content starts and ends. */
interface Box {
  type: string;
  start: number;
  content: number;
  end: number;
}

/** Image items, and those that an image is derived from. Exif and XMP are items of other types. */
const IMAGE_ITEMS = new Set(['av01', 'grid', 'iovl', 'iden', 'tmap']);
const FILE_BOXES = new Set(['ftyp', 'meta', 'mdat']);
const META_BOXES = new Set(['hdlr', 'pitm', 'iinf', 'iref', 'iprp', 'iloc', 'idat', 'grpl', 'dinf']);

/**
 * Overwrites the metadata of an AVIF with zeros (ISO/IEC 23008-12, section 6.2). Its length and the places of the image data
 * stay the same, since an AVIF points to its data by offsets. Of the data, only what belongs to image items is kept.
 */
export function blankAvifMetadata(source: Buffer): Buffer {
  const bytes = Buffer.from(source);
  const boxes = boxesIn(bytes, 0, bytes.length);
  boxes.filter(({ type }) => !FILE_BOXES.has(type)).forEach((box) => blankBox(bytes, box));
  const meta = boxes.find(({ type }) => type === 'meta');
  if (!meta) throw new RangeError('there is no meta box');
  const inMeta = boxesIn(bytes, meta.content + 4, meta.end);
  inMeta.filter(({ type }) => !META_BOXES.has(type)).forEach((box) => blankBox(bytes, box));
  const find = (name: string): Box | undefined => inMeta.find(({ type }) => type === name);
  const kept = keptExtents(bytes, find('iinf'), find('iloc'));
  for (const box of boxes.filter(({ type }) => type === 'mdat')) blankBetween(bytes, box, kept.ofFile);
  const idat = find('idat');
  if (idat) {
    blankBetween(
      bytes,
      idat,
      kept.ofData.map(([start, end]) => [idat.content + start, idat.content + end]),
    );
  }
  return bytes;
}

function boxesIn(bytes: Buffer, from: number, to: number): Box[] {
  const boxes: Box[] = [];
  for (let start = from; start + 8 <= to;) {
    const size = bytes.readUInt32BE(start);
    const isLarge = size === 1;
    const content = start + (isLarge ? 16 : 8);
    const end = size === 0 ? to : start + (isLarge ? Number(bytes.readBigUInt64BE(start + 8)) : size);
    if (end < content || end > to) throw new RangeError('a box is longer than its parent');
    boxes.push({ type: bytes.toString('latin1', start + 4, start + 8), start, content, end });
    start = end;
  }
  return boxes;
}

function blankBox(bytes: Buffer, { start, content, end }: Box): void {
  bytes.write('free', start + 4, 'latin1');
  bytes.fill(0, content, end);
}

type Extent = [start: number, end: number];

/** Overwrites the content of a box outside of these extents. */
function blankBetween(bytes: Buffer, { content, end }: Box, extents: Extent[]): void {
  let at = content;
  for (const [start, stop] of extents.toSorted(([a], [b]) => a - b)) {
    if (start > at) bytes.fill(0, at, Math.min(start, end));
    at = Math.max(at, stop);
  }
  if (at < end) bytes.fill(0, at, end);
}

/** Where the data of the image items is: in the file, and in the `idat` box. */
function keptExtents(
  bytes: Buffer,
  iinf: Box | undefined,
  iloc: Box | undefined,
): { ofFile: Extent[]; ofData: Extent[] } {
  if (!iinf || !iloc) throw new RangeError('there are no items');
  const isShort = bytes.readUInt8(iinf.content) === 0;
  const entries = boxesIn(bytes, iinf.content + (isShort ? 6 : 8), iinf.end).map((box) => itemOf(bytes, box));
  const images = new Set(entries.filter(({ type }) => IMAGE_ITEMS.has(type)).map(({ id }) => id));
  const kept = { ofFile: [] as Extent[], ofData: [] as Extent[] };
  for (const { id, method, extents } of locations(bytes, iloc)) {
    if (!images.has(id)) continue;
    if (method > 1) throw new RangeError('an image is made of other items');
    kept[method === 0 ? 'ofFile' : 'ofData'].push(...extents);
  }
  return kept;
}

/** An `infe` box: versions 2 and 3 have a type of four characters. */
function itemOf(bytes: Buffer, { content }: Box): { id: number; type: string } {
  const version = bytes.readUInt8(content);
  const idBytes = version === 3 ? 4 : 2;
  const at = content + 4 + idBytes + 2;
  return { id: bytes.readUIntBE(content + 4, idBytes), type: version < 2 ? '' : bytes.toString('latin1', at, at + 4) };
}

/** The items of an `iloc` box (ISO/IEC 14496-12, section 8.11.3). */
function locations(bytes: Buffer, { content }: Box): { id: number; method: number; extents: Extent[] }[] {
  let at = content;
  const read = (length: number): number => {
    at += length;
    if (length === 8) return Number(bytes.readBigUInt64BE(at - 8));
    return length === 0 ? 0 : bytes.readUIntBE(at - length, length);
  };
  const version = read(1);
  read(3);
  const sizes = read(2);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = version === 0 ? 0 : sizes & 15;
  return Array.from({ length: read(version < 2 ? 2 : 4) }, () => {
    const id = read(version < 2 ? 2 : 4);
    const method = version === 0 ? 0 : read(2) & 15;
    read(2); // only data in the file itself is decoded
    const base = read(baseSize);
    const extents = Array.from({ length: read(2) }, (): Extent => {
      read(indexSize);
      const start = base + read(offsetSize);
      const length = read(lengthSize);
      if (length === 0) throw new RangeError('an item has no length');
      return [start, start + length];
    });
    return { id, method, extents };
  });
}
