import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { checksumLine, CHECKSUMS_FOLDER, END_ENTRY, ENTRIES_PER_LIST } from './archive-format.js';

/** What is stored about an entry besides its bytes, as extended attributes in the header of the entry. */
export type Attributes = Record<string, string>;

/**
 * Writes a backup: a tar archive whose entries are followed by lists with their SHA-256, and at last by an entry that only a
 * complete archive has. Needs as much memory for a large archive as for a small one.
 */
export class ArchiveWriter {
  entries = 0;
  bytes = 0;
  /** Why the target cannot be written. */
  targetError: Error | undefined;
  private readonly tar = pack();
  private readonly written: Promise<void>;
  private unlisted: string[] = [];
  private lists = 0;

  constructor(target: Writable) {
    const { tar } = this;
    this.written = pipeline(async function* () {
      yield* tar as unknown as AsyncIterable<Buffer>; // a stream of the package streamx
    }, target);
    this.written.catch((error: Error) => {
      this.targetError ??= error;
      tar.destroy(error);
    });
  }

  /** Adds an entry whose bytes are at hand. */
  async add(name: string, bytes: Buffer | string): Promise<void> {
    const buffer = Buffer.from(bytes);
    await this.addStream(name, [buffer], buffer.length);
  }

  /** Adds an entry of exactly `size` bytes. Rejects when the source has fewer or more, or the target fails. */
  async addStream(
    name: string,
    source: AsyncIterable<Buffer> | Iterable<Buffer>,
    size: number,
    attributes: Attributes = {},
  ): Promise<void> {
    this.unlisted.push(checksumLine(await this.write(name, source, size, attributes), name));
    if (this.unlisted.length >= ENTRIES_PER_LIST) await this.writeList();
  }

  /** Ends the archive with what only its end can tell. Resolves when everything has been written to the target. */
  async end(summary: object): Promise<void> {
    if (this.unlisted.length > 0) await this.writeList();
    const { entries, bytes } = this;
    const text = JSON.stringify({ ...summary, entries, bytes }, null, 2);
    await this.write(END_ENTRY, [Buffer.from(`${text}\n`)], Buffer.byteLength(text) + 1, {});
    this.tar.finalize();
    await this.written;
  }

  /** Ends without completing the archive: destroys the target. */
  async abort(error: Error): Promise<void> {
    const { targetError } = this;
    this.tar.destroy(error);
    await this.written.catch(() => undefined);
    this.targetError = targetError; // not the one of giving up
  }

  private async writeList(): Promise<void> {
    const name = `${CHECKSUMS_FOLDER}${String(++this.lists).padStart(6, '0')}.sha256`;
    const list = Buffer.from(this.unlisted.splice(0).join(''));
    await this.write(name, [list], list.length, {});
  }

  /** Returns the SHA-256 of the entry. */
  private async write(
    name: string,
    source: AsyncIterable<Buffer> | Iterable<Buffer>,
    size: number,
    pax: Attributes,
  ): Promise<string> {
    const hash = createHash('sha256');
    const { entry, ended } = this.startEntry({ name, size, mode: 0o600, pax });
    for await (const chunk of source) {
      hash.update(chunk);
      this.bytes += chunk.length;
      if (!entry.write(chunk)) await this.orFailure(once(entry, 'drain'));
    }
    entry.end();
    await this.orFailure(ended);
    this.entries++;
    return hash.digest('hex');
  }

  private startEntry(header: Parameters<Pack['entry']>[0]): { entry: Writable; ended: Promise<void> } {
    let entry: unknown;
    const ended = new Promise<void>((resolve, reject) => {
      entry = this.tar.entry(header, (error) => (error ? reject(error) : resolve()));
    });
    ended.catch(() => undefined); // the target may fail before the caller awaits it
    return { entry: entry as Writable, ended };
  }

  /** Rejects when the target fails, since a destroyed archive never drains. */
  private async orFailure(work: Promise<unknown>): Promise<void> {
    const failure = this.written.then(() => Promise.reject(new Error('the target of the backup was closed')));
    await Promise.race([work, failure]);
  }
}
