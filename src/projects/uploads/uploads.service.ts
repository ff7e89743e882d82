import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Not, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { FileDeletionsService } from '../../storage/file-deletions.service.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import type { ChapterState } from '../chapters/chapter.entity.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { readerOf } from '../visibility/reader.js';
import { StagedFilesService } from './files/staged-files.service.js';
import { Upload } from './upload.entity.js';
import { UploadFile } from './files/upload-file.entity.js';
import { type StartUploadDto, type UploadDto, toUploadDto } from './uploads.dto.js';

const HOUR_MS = 3_600_000;

/** The chapters that take an upload. A rejected one does not: another upload could go around the moderator. */
export const WITHOUT_PAGES: ChapterState[] = ['draft', 'failed'];

/**
 * $1 upload, $2 user, $3 now, $4 its new expiry, $5 the expected version, if any, $6 how many files and $7 bytes are added. Locks the
 * row until the transaction ends. A transaction changes it once: at a second change, PostgreSQL would check the foreign keys, and wait
 * for a deletion of the user or of the project that waits for the upload.
 */
const CHANGE = `update uploads set version = version + 1, updated_at = $3, expires_at = $4, file_count = file_count + $6,
    byte_count = byte_count + $7
  where id = $1 and user_id = $2 and state = 'open' and version = coalesce($5, version) returning file_count, byte_count`;

const LOCK_OPEN = `select id from uploads where id = $1 and user_id = $2 and state = 'open' for no key update`;

const REORDER = `update upload_files f set position = o.place
  from unnest($2::uuid[]) with ordinality as o (id, place) where f.id = o.id and f.upload_id = $1 returning f.id`;

const REMOVE_FILE = 'delete from upload_files where id = $2 and upload_id = $1 returning size';

const ABANDON = `update uploads set state = 'abandoned', updated_at = $3
  where id = $1 and user_id = $2 and state = 'open' returning id`;

/** What an upload has after a change. */
type UploadCounts = Pick<Upload, 'file_count' | 'byte_count'>;

/** The upload sessions of users. A user sees and changes only their own. */
@Injectable()
export class UploadsService {
  constructor(
    @InjectRepository(Upload) private readonly uploads: Repository<Upload>,
    @InjectRepository(UploadFile) private readonly files: Repository<UploadFile>,
    private readonly staged: StagedFilesService,
    private readonly deletions: FileDeletionsService,
    private readonly projects: ProjectSearchService,
    private readonly chapters: ChapterListsService,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /**
   * Starts an upload. Returns its id. Throws `project_not_found`, `chapter_not_found`, `chapter_not_draft`,
   * `upload_exists`.
   */
  async start(caller: Caller, dto: StartUploadDto): Promise<string> {
    const target = await this.findTarget(caller, dto);
    const id = uuidv7();
    const now = this.clock.date();
    await this.uploads.manager.transaction(async (manager) => {
      const expires_at = this.nextExpiry();
      const times = { created_at: now, updated_at: now, expires_at };
      await manager.insert(Upload, { id, user_id: caller.id, ...target, state: 'open', ...times });
      await this.audit.write(manager, {
        action: 'upload.started',
        ...actorOf(caller),
        subject_id: id,
        details: target,
      });
    });
    return id;
  }

  /** Throws `upload_not_found`. */
  async get(caller: Caller, id: string): Promise<UploadDto> {
    return this.toDto(await this.find(caller, id));
  }

  /** The open upload of the caller, else the one that was committed last. Throws `upload_not_found`. */
  async getCurrent(caller: Caller): Promise<UploadDto> {
    const [upload] = await this.uploads.find({
      where: { user_id: caller.id, state: Not('abandoned') },
      order: { id: 'DESC' },
      take: 1,
    });
    if (!upload) throw new Problem('upload_not_found');
    return this.toDto(upload);
  }

  /**
   * Sets the order of all files. Throws `upload_not_found`, `upload_not_open`, `version_conflict`,
   * `upload_order_mismatch`.
   */
  async reorder(caller: Caller, id: string, expected: number, fileIds: string[]): Promise<void> {
    const ids = fileIds.map((fileId) => fileId.toLowerCase());
    if (new Set(ids).size !== ids.length) throw new Problem('upload_order_mismatch');
    await this.uploads.manager.transaction(async (manager) => {
      const { file_count } = await this.change(manager, caller, id, { expected });
      const placed = await returningRows(manager, REORDER, [id, ids]);
      if (placed.length !== ids.length || placed.length !== file_count) throw new Problem('upload_order_mismatch');
    });
  }

  /** Removes a file. Throws `upload_not_found`, `upload_not_open`, `upload_file_not_found`. */
  async removeFile(caller: Caller, id: string, fileId: string): Promise<void> {
    await this.uploads.manager.transaction(async (manager) => {
      const open = await manager.query<unknown[]>(LOCK_OPEN, [id, caller.id]);
      if (open.length === 0) await this.refuse(manager, caller, id);
      const [removed] = await returningRows<{ size: number }>(manager, REMOVE_FILE, [id, fileId]);
      if (!removed) throw new Problem('upload_file_not_found');
      await this.change(manager, caller, id, { files: -1, bytes: -removed.size });
    });
    // While a backup runs, its rows keep their files: the worker deletes this one later.
    const remove = (each: string): Promise<void> => this.staged.remove([each]);
    await this.deletions.deleteFiles([fileId], { remove, isStopping: () => false }).catch(() => undefined);
  }

  /** Ends an open upload without a chapter. The worker deletes its files. Throws `upload_not_found`, `upload_not_open`. */
  async abandon(caller: Caller, id: string): Promise<void> {
    await this.uploads.manager.transaction(async (manager) => {
      const abandoned = await returningRows(manager, ABANDON, [id, caller.id, this.clock.date()]);
      if (abandoned.length === 0) await this.refuse(manager, caller, id);
      await this.audit.write(manager, { action: 'upload.abandoned', ...actorOf(caller), subject_id: id });
    });
  }

  /**
   * Marks an open upload as changed and locks it until the transaction ends. `files`, `bytes`: how many are added. Call it once in a
   * transaction. Throws `upload_not_found`, `upload_not_open`, `version_conflict`.
   */
  async change(
    manager: EntityManager,
    caller: Caller,
    id: string,
    { expected = null, files = 0, bytes = 0 }: { expected?: number | null; files?: number; bytes?: number },
  ): Promise<UploadCounts> {
    const values = [id, caller.id, this.clock.date(), this.nextExpiry(), expected, files, bytes];
    const [changed] = await returningRows<UploadCounts>(manager, CHANGE, values);
    return changed ?? this.refuse(manager, caller, id);
  }

  /** Throws why an upload is not changed: `upload_not_found`, `upload_not_open`, `version_conflict`. */
  async refuse(manager: EntityManager, { id: user_id }: Caller, id: string): Promise<never> {
    const upload = await manager.findOneBy(Upload, { id, user_id });
    if (!upload || upload.state === 'abandoned') throw new Problem('upload_not_found');
    throw new Problem(upload.state === 'open' ? 'version_conflict' : 'upload_not_open');
  }

  /** Throws `upload_not_found`, `upload_not_open`. */
  async assertOpen(caller: Caller, id: string): Promise<Upload> {
    const upload = await this.find(caller, id);
    if (upload.state !== 'open') throw new Problem('upload_not_open');
    return upload;
  }

  private nextExpiry(): Date {
    return new Date(this.clock.now() + this.config.UPLOAD_TTL_HOURS * HOUR_MS);
  }

  private async find({ id: user_id }: Caller, id: string): Promise<Upload> {
    const upload = await this.uploads.findOneBy({ id, user_id, state: Not('abandoned') });
    if (!upload) throw new Problem('upload_not_found');
    return upload;
  }

  private async toDto(upload: Upload): Promise<UploadDto> {
    const isListed = upload.state === 'open' || upload.state === 'committing';
    const files = isListed
      ? await this.files.find({ where: { upload_id: upload.id }, order: { position: 'ASC' } })
      : [];
    return toUploadDto(upload, files);
  }

  private async findTarget(
    caller: Caller,
    { project_id, chapter_id }: StartUploadDto,
  ): Promise<{ project_id: string; chapter_id: string | null }> {
    if ((project_id === undefined) === (chapter_id === undefined)) {
      throw validationFailed([{ path: 'project_id', message: 'either project_id or chapter_id must be sent' }]);
    }
    const reader = readerOf(caller);
    if (project_id !== undefined)
      return { project_id: (await this.projects.get(reader, project_id)).id, chapter_id: null };
    const chapter = await this.chapters.get(reader, chapter_id!);
    if (!WITHOUT_PAGES.includes(chapter.state)) throw new Problem('chapter_not_draft');
    return { project_id: chapter.project_id, chapter_id: chapter.id };
  }
}
