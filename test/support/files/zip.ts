import { crc32, deflateRawSync } from 'node:zlib';

/** An entry of an archive. The optional fields make it say what is not true. */
export interface ZipEntry {
  name: string | Buffer;
  data?: Buffer;
  /** Stored by default. */
  isDeflated?: boolean;
  /** The bytes in the archive, instead of those that follow from `data`. */
  packed?: Buffer;
  method?: number;
  flags?: number;
  /** Unix file type and permissions. */
  mode?: number;
  size?: number;
  compressedSize?: number;
  crc?: number;
  /** The name in the local header. */
  localName?: string;
  /** The index of the entry whose local header this one shares. */
  sameOffsetAs?: number;
  /** Moves the start that the directory declares. */
  offsetShift?: number;
}

const UTF8 = 0x0800;

/** A zip archive with these entries; `count` is what its end record says. */
export function zipOf(entries: ZipEntry[], { count = entries.length }: { count?: number } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const offsets: number[] = [];
  let position = 0;
  for (const entry of entries) {
    const { data = Buffer.alloc(0), isDeflated = false, flags = 0, sameOffsetAs, offsetShift = 0 } = entry;
    const packed = entry.packed ?? (isDeflated ? deflateRawSync(data) : data);
    const name = Buffer.from(entry.name as string);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags | UTF8, 2);
    fields.writeUInt16LE(entry.method ?? (isDeflated ? 8 : 0), 4);
    fields.writeUInt32LE(entry.crc ?? crc32(data), 10);
    fields.writeUInt32LE(entry.compressedSize ?? packed.length, 14);
    fields.writeUInt32LE(entry.size ?? data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    offsets.push(sameOffsetAs === undefined ? position : offsets[sameOffsetAs]!);
    if (sameOffsetAs === undefined) {
      const localName = Buffer.from(entry.localName ?? name);
      const local = Buffer.from(fields);
      local.writeUInt16LE(localName.length, 22);
      const bytes = Buffer.concat([Buffer.from('PK\x03\x04'), local, localName, packed]);
      parts.push(bytes);
      position += bytes.length;
    }
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(((entry.mode ?? 0) << 16) >>> 0, 6);
    rest.writeUInt32LE(offsets.at(-1)! + offsetShift, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), fields, rest, name);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...parts, central, end]);
}
