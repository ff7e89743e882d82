import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header } from 'tar-stream';
import { CommandError, EXIT } from '../exit-codes.js';
import { type BackupEnd, CHECKSUMS_FOLDER, checksumLine, damaged, END_ENTRY } from './archive-format.js';
import type { Attributes } from './archive-writer.js';

/** What does not stream must fit into memory. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** One entry of a backup. Its body may be left unread, or be read once. */
export interface ArchiveEntry {
  name: string;
  size: number;
  attributes: Attributes;
  body: AsyncIterable<Buffer>;
  /** The whole body. Throws if it is too large to be one of those that are read at once. */
  read(): Promise<Buffer>;
}

/**
 * Reads a backup entry by entry and compares each with its SHA-256, which follows later in the archive: use nothing for good before
 * the last entry has been read. Yields the entries besides checksums; `onEnd` gets the last one. Throws `backup_damaged`,
 * `cannot_read`.
 */
export async function* readArchive(
  open: () => Readable,
  onEnd: (end: BackupEnd) => void,
): AsyncGenerator<ArchiveEntry> {
  const verifier = new Verifier();
  for await (const entry of entriesOf(open())) {
    const { name } = entry.header;
    if (verifier.isEnded) throw damaged('data follows its end');
    if (name === END_ENTRY) onEnd(verifier.end(await readWhole(entry)));
    else if (name.startsWith(CHECKSUMS_FOLDER)) verifier.check(await readWhole(entry));
    else yield* verifier.follow(entry);
  }
  if (!verifier.isEnded) throw damaged('it is incomplete');
}

/** An entry of the tar archive, which must be read to its end before the next one. */
interface TarEntry extends AsyncIterable<Buffer> {
  header: Header;
}

/** Passes the chunks of an entry through, and maps its errors. */
async function* withReason(entry: TarEntry, reason: (error: Error) => Error): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of entry) yield chunk;
  } catch (error) {
    throw reason(error as Error);
  }
}

const cannotRead = (cause: Error): CommandError =>
  new CommandError('cannot_read', `The backup cannot be read: ${cause.message}.`, EXIT.noInput, { cause });

async function* entriesOf(source: Readable): AsyncGenerator<TarEntry> {
  const tar = extract();
  let sourceError: Error | undefined;
  source.on('error', (error) => {
    sourceError = error;
    tar.destroy(error);
  });
  const reason = (error: Error): Error =>
    sourceError ? cannotRead(sourceError) : damaged(`it is no complete tar archive (${error.message})`, error);
  source.pipe(tar as unknown as Writable); // a stream of the package streamx
  const iterator = (tar as unknown as AsyncIterable<TarEntry>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await iterator.next().catch((error: Error) => {
        throw reason(error);
      });
      if (next.done) return;
      const { header } = next.value;
      yield { header, [Symbol.asyncIterator]: () => withReason(next.value, reason) };
    }
  } finally {
    source.destroy();
    tar.destroy();
  }
}

async function readWhole(entry: TarEntry): Promise<Buffer> {
  const { name, size } = entry.header;
  if (size > MAX_BUFFERED_BYTES) throw damaged(`${name} is too large`);
  return buffer(entry);
}

/** Compares entries with the lists that follow them. */
class Verifier {
  isEnded = false;
  /** The SHA-256 lines of entries whose list has not been read yet. */
  private readonly pending = new Set<string>();
  private entries = 0;
  private bytes = 0;

  async *follow(entry: TarEntry): AsyncGenerator<ArchiveEntry> {
    const { name, size, type, pax } = entry.header;
    if (type !== 'file') throw damaged(`${name} is no file`);
    const hash = createHash('sha256');
    const body = (async function* () {
      for await (const chunk of entry) {
        hash.update(chunk);
        yield chunk;
      }
    })();
    const attributes = (pax ?? {}) as Attributes;
    const read = (): Promise<Buffer> => readWhole(Object.assign(body, { header: entry.header }));
    yield { name, size, attributes, body, read };
    for await (const _ of body); // what the caller has not read
    this.count(size);
    this.pending.add(checksumLine(hash.digest('hex'), name));
  }

  check(list: Buffer): void {
    this.count(list.length);
    for (const line of list.toString().split(/(?<=\n)/)) {
      if (!this.pending.delete(line)) throw damaged(`${line.slice(66).trim()} does not have the listed SHA-256`);
    }
    const [unlisted] = this.pending;
    if (unlisted !== undefined) throw damaged(`${unlisted.slice(66).trim()} is not listed`);
  }

  end(text: Buffer): BackupEnd {
    const end = parseJson(text, END_ENTRY) as BackupEnd;
    const isComplete = this.pending.size === 0 && end.entries === this.entries && end.bytes === this.bytes;
    if (!isComplete) throw damaged('entries are missing');
    this.isEnded = true;
    return end;
  }

  private count(bytes: number): void {
    this.entries++;
    this.bytes += bytes;
  }
}

/** Throws `backup_damaged`. */
export function parseJson(text: Buffer, name: string): object {
  try {
    return JSON.parse(text.toString()) as object;
  } catch (error) {
    throw damaged(`${name} is no JSON`, error);
  }
}
