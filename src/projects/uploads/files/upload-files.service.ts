import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../../../common/clock.provider.js';
import { mapUntilFailure } from '../../../common/concurrency/map-until-failure.js';
import { Problem } from '../../../http/problems/problem.js';
import { mapToProblem } from '../../../http/problems/problem-mapping.js';
import { formatOf } from '../../../images/image-format.js';
import type { Caller } from '../../../users/caller.js';
import { type ArchivePage, withArchive } from '../archives/archive-reader.js';
import { entryProblem, isArchive } from '../archives/entry-names.js';
import { isFileName, nameKeyOf } from './file-names.js';
import { append, IncomingFilesService } from './incoming-files.service.js';
import { MAX_UPLOAD_BODY_BYTES, UPLOAD_LIMITS } from '../limits.js';
import { compareNames } from './natural-order.js';
import { readRange } from './read-range.js';
import { StagedFilesService } from './staged-files.service.js';
import { UploadFile } from './upload-file.entity.js';
import { UploadsService } from '../uploads.service.js';

/** Enough of a file to recognise its format. */
const SNIFF_BYTES = 512;
/** Files of one archive that are stored at a time. Storing waits for the disk or the network. */
const STORED_AT_ONCE = 4;

const LAST_POSITION = 'select coalesce(max(position), 0)::int as last from upload_files where upload_id = $1';

/** A file whose bytes are stored, and that has no row yet. */
type StoredFile = Pick<UploadFile, 'id' | 'name' | 'size' | 'sha256'>;

/** Adds files to uploads. Bytes are stored first, then the row is inserted: no row ever points to missing bytes. */
@Injectable()
export class UploadFilesService {
  constructor(
    @InjectRepository(UploadFile) private readonly files: Repository<UploadFile>,
    private readonly uploads: UploadsService,
    private readonly incoming: IncomingFilesService,
    private readonly staged: StagedFilesService,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds one file. A file that is there already, with the same name and bytes, is not added again. Throws
   * `upload_not_found`, `upload_not_open`, `upload_file_name`, `upload_file_exists`, `unsupported_picture`,
   * `file_too_large`, `upload_too_large`, `upload_too_many_files`, `storage_unavailable`.
   */
  async add(caller: Caller, uploadId: string, name: string, source: Readable): Promise<void> {
    await this.uploads.assertOpen(caller, uploadId);
    if (!isFileName(name)) throw new Problem('upload_file_name');
    await this.incoming.use(async (file) => {
      const hash = createHash('sha256');
      const onChunk = (chunk: Buffer): void => void hash.update(chunk);
      const { size, first } = await receive(file, source, UPLOAD_LIMITS.fileBytes, 'file_too_large', onChunk);
      if (formatOf(first) === undefined) {
        throw new Problem('unsupported_picture', { detail: `${JSON.stringify(name)} is not a supported image.` });
      }
      const sha256 = hash.digest('hex');
      if (await this.isThere(uploadId, name, sha256)) return;
      const stored: StoredFile = { id: uuidv7(), name, size, sha256 };
      const storing = this.store(caller, uploadId, async (ids) => {
        ids.push(stored.id);
        await this.staged.put(stored.id, Readable.from(readRange(file, 0, stored.size)), stored.size);
        return [stored];
      });
      await storing.catch(async (error: unknown) => {
        // Another request may have added the same file since.
        const isTaken = mapToProblem(error).code === 'upload_file_exists';
        if (!isTaken || !(await this.isThere(uploadId, name, sha256))) throw error;
      });
    });
  }

  /**
   * Adds the pages of a zip archive, in the natural order of their names; all or none. Throws what `add` throws,
   * `archive_too_large`, and the problems of archives.
   */
  async addArchive(caller: Caller, uploadId: string, source: Readable): Promise<void> {
    await this.uploads.assertOpen(caller, uploadId);
    await this.incoming.use(async (file) => {
      await receive(file, source, MAX_UPLOAD_BODY_BYTES, 'archive_too_large');
      await withArchive(file, (pages) =>
        this.store(caller, uploadId, (ids) =>
          this.unpackAll(
            ids,
            pages.toSorted((a, b) => compareNames(a.name, b.name)),
          ),
        ),
      );
    });
  }

  /** Adds the ids under which it stores files. When it ends, no file is being stored. */
  private unpackAll(ids: string[], pages: ArchivePage[]): Promise<StoredFile[]> {
    return mapUntilFailure(pages, STORED_AT_ONCE, (page) => {
      const id = uuidv7();
      ids.push(id);
      return this.unpack(id, page);
    });
  }

  private async unpack(id: string, page: ArchivePage): Promise<StoredFile> {
    const { name, size } = page;
    if (size === 0) throw entryProblem('archive_entry_picture', name);
    const hash = createHash('sha256');
    await this.staged.put(id, Readable.from(checkPicture(name, page.read(), (chunk) => hash.update(chunk))), size);
    return { id, name, size, sha256: hash.digest('hex') };
  }

  /** Inserts the rows of files that `put` stores under the ids it adds. When either fails, nothing stays. */
  private async store(caller: Caller, uploadId: string, put: (ids: string[]) => Promise<StoredFile[]>): Promise<void> {
    const ids: string[] = [];
    try {
      const stored = await put(ids);
      await this.files.manager.transaction((manager) => this.insert(manager, caller, uploadId, stored));
    } catch (error) {
      // After a failure of the database the rows may exist all the same: the worker deletes files without a row.
      const isCertain = !['database_unavailable', 'internal_error'].includes(mapToProblem(error).code);
      if (isCertain) await this.staged.discard(ids);
      throw error;
    }
  }

  private async insert(manager: EntityManager, caller: Caller, uploadId: string, stored: StoredFile[]): Promise<void> {
    const bytes = stored.reduce((sum, { size }) => sum + size, 0);
    const changed = await this.uploads.change(manager, caller, uploadId, { files: stored.length, bytes });
    if (changed.file_count > UPLOAD_LIMITS.files) throw new Problem('upload_too_many_files');
    if (Number(changed.byte_count) > UPLOAD_LIMITS.bytes) throw new Problem('upload_too_large');
    const [row] = await manager.query<{ last: number }[]>(LAST_POSITION, [uploadId]);
    const created_at = this.clock.date();
    await manager.insert(
      UploadFile,
      stored.map((file, i) => ({
        ...file,
        upload_id: uploadId,
        name_key: nameKeyOf(file.name),
        position: row!.last + i + 1,
        created_at,
      })),
    );
  }

  /** Whether the file was sent before. Throws `upload_file_exists` for other bytes under this name. */
  private async isThere(upload_id: string, name: string, sha256: string): Promise<boolean> {
    const existing = await this.files.findOneBy({ upload_id, name_key: nameKeyOf(name) });
    if (existing && existing.sha256 !== sha256) throw new Problem('upload_file_exists');
    return existing !== null;
  }
}

/** Writes what arrives to a file. Throws `request_timeout` when the client disconnects, and `code` above `max` bytes. */
async function receive(
  file: FileHandle,
  source: Readable,
  max: number,
  code: 'file_too_large' | 'archive_too_large',
  onChunk: (chunk: Buffer) => void = () => undefined,
): Promise<{ size: number; first: Buffer }> {
  let size = 0;
  let first = Buffer.alloc(0);
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > max) throw new Problem(code);
      if (first.length < SNIFF_BYTES) first = Buffer.concat([first, chunk.subarray(0, SNIFF_BYTES - first.length)]);
      onChunk(chunk);
      await append(file, chunk);
    }
  } catch (error) {
    throw error instanceof Problem ? error : new Problem('request_timeout', { cause: error });
  }
  return { size, first };
}

/** Passes the bytes of an entry on, once the first of them are those of a picture. */
async function* checkPicture(
  name: string,
  source: AsyncGenerator<Buffer>,
  onChunk: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  let first: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    onChunk(chunk);
    if (first === undefined) {
      yield chunk;
      continue;
    }
    first = Buffer.concat([first, chunk]);
    if (first.length < SNIFF_BYTES) continue;
    assertPicture(name, first);
    yield first;
    first = undefined;
  }
  if (first === undefined) return;
  assertPicture(name, first);
  yield first;
}

function assertPicture(name: string, first: Buffer): void {
  if (isArchive(first)) throw entryProblem('archive_entry_nested', name);
  if (formatOf(first) === undefined) throw entryProblem('archive_entry_picture', name);
}
