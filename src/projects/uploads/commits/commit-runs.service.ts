import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { causeMessage } from '../../../common/cause-message.js';
import { AuditService } from '../../../audit/audit.service.js';
import { Clock } from '../../../common/clock.provider.js';
import { mapUntilFailure } from '../../../common/concurrency/map-until-failure.js';
import { type Claim, LeasedRows } from '../../../database/statements/leased-rows.js';
import { returningRows } from '../../../database/statements/returning.js';
import { ResultCounter } from '../../../http/metrics/result-counter.js';
import { isUnavailable, Problem } from '../../../http/problems/problem.js';
import { mapToProblem } from '../../../http/problems/problem-mapping.js';
import type { ProblemCode } from '../../../http/problems/problem-catalogue.js';
import { MetricsService } from '../../../metrics/metrics.service.js';
import { rightsOf } from '../../../permissions/permissions.js';
import { UsersService } from '../../../users/users.service.js';
import { ChapterPublishingService, type Uploader } from '../../chapters/chapter-publishing.service.js';
import { Chapter } from '../../chapters/chapter.entity.js';
import { lockChapter } from '../../chapters/chapters.service.js';
import { PagesService, type StoredPage } from '../../pages/pages.service.js';
import { StagedFilesService } from '../files/staged-files.service.js';
import { Upload } from '../upload.entity.js';
import { UploadFile } from '../files/upload-file.entity.js';
import { UploadProgressService } from './upload-progress.service.js';

/** A commit fails after this many runs that made no further page, for example because the process was killed each time. */
const MAX_ATTEMPTS = 5;
/** How long a failed commit waits for its next run. */
const RETRY_SECONDS = 5;
/** How long the result of a commit can be read. */
const RESULT_AGE_MS = 7 * 86_400_000;

const IS_UNFINISHED = `state = 'committing'`;
const IS_CLAIMED = `id = $1 and claim_id = $2 and ${IS_UNFINISHED}`;

/** Only the run that holds the claim writes. */
const COUNT_PAGE = `update uploads set done = done + 1, attempts = 0, updated_at = $3
  where ${IS_CLAIMED} returning *`;

const FINISH = `update uploads set state = $3, problem = $4, problem_file = $5, claim_id = null, claimed_until = null,
    updated_at = $6, expires_at = $7
  where ${IS_CLAIMED} returning *`;

/** A commit that this process works on. `row` is replaced when a page is counted. */
type Run = Claim<Upload>;

/** The file of a page that was refused. */
class PageRefusal extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly file: string,
  ) {
    super(code);
  }
}

/**
 * Makes the pages of commits. Each page is inserted with its progress, so that another run can go on after a crash; the
 * chapter is shown, or marked as failed without pages, in one transaction at the end.
 */
@Injectable()
export class CommitRunsService {
  private readonly log = new Logger('Uploads');
  private readonly results: ResultCounter;
  private readonly leases: LeasedRows<Upload>;

  constructor(
    @InjectRepository(Upload) private readonly uploads: Repository<Upload>,
    @InjectRepository(UploadFile) private readonly files: Repository<UploadFile>,
    private readonly staged: StagedFilesService,
    private readonly pages: PagesService,
    private readonly publishing: ChapterPublishingService,
    private readonly users: UsersService,
    private readonly progress: UploadProgressService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
    metrics: MetricsService,
  ) {
    this.results = new ResultCounter(metrics, 'machi_chapter_commits_total', 'Commits of chapters by result.');
    this.leases = new LeasedRows(uploads.manager, { table: 'uploads', isUnfinished: IS_UNFINISHED });
  }

  /** Takes a commit that no process works on; undefined when there is none. */
  claim(): Promise<Run | undefined> {
    return this.leases.claim();
  }

  /** Runs a commit to its end, or releases it for a later run. Never rejects. */
  run(run: Run, stopping: AbortSignal): Promise<void> {
    return this.leases.whileClaimed(run, stopping, (signal) =>
      this.complete(run, signal)
        .catch((error: unknown) => this.settle(run, error))
        .catch((failure: Error) =>
          this.log.warn(`Ending the commit of upload ${run.row.id} failed (${failure.message}); retrying`),
        ),
    );
  }

  private async complete(run: Run, signal: AbortSignal): Promise<void> {
    if (run.row.attempts > MAX_ATTEMPTS) throw new Problem('upload_interrupted');
    await this.makePages(run, signal);
    if (signal.aborted) await this.leases.release(run, 0, false);
    else await this.publish(run);
  }

  /** Makes the missing pages: some are stored while the image workers make others. Starts no other after a failure. */
  private async makePages(run: Run, signal: AbortSignal): Promise<void> {
    const files = await this.files.find({ where: { upload_id: run.row.id }, order: { position: 'ASC' } });
    await mapUntilFailure(files, 2 * this.pages.concurrency, async (file, index) => {
      if (!signal.aborted && file.page_id === null) await this.makePage(run, file, index + 1);
    });
  }

  private async makePage(run: Run, file: UploadFile, position: number): Promise<void> {
    const page = await this.storePage(file);
    try {
      const upload = await this.uploads.manager.transaction((manager) =>
        this.insertPage(manager, run, file, page, position),
      );
      if (!upload) return await this.pages.discard([page]);
      run.row = upload;
      this.progress.publish(upload);
    } catch (error) {
      if (mapToProblem(error).code === 'chapter_not_found') await this.pages.discard([page]);
      throw error;
    }
  }

  private async storePage({ id, name }: UploadFile): Promise<StoredPage> {
    const source = await this.staged.getSource(id);
    return this.pages.store(source).catch((error: unknown) => {
      const { code } = mapToProblem(error);
      throw mapToProblem(error).getStatus() < 500 && !isUnavailable(code) ? new PageRefusal(code, name) : error;
    });
  }

  /** Undefined when another run has taken the commit. */
  private async insertPage(
    manager: EntityManager,
    { row: upload, claimId }: Run,
    file: UploadFile,
    page: StoredPage,
    position: number,
  ): Promise<Upload | undefined> {
    if (upload.chapter_id !== null) await keepChapter(manager, upload.chapter_id);
    const [counted] = await returningRows<Upload>(manager, COUNT_PAGE, [upload.id, claimId, this.clock.date()]);
    if (!counted) return undefined;
    if (counted.chapter_id === null) throw new Problem('chapter_not_found');
    await this.pages.insert(manager, counted.chapter_id, [page], position);
    await manager.update(UploadFile, file.id, { page_id: page.id });
    return counted;
  }

  private async publish(run: Run): Promise<void> {
    const uploader = await this.findUploader(run.row);
    const upload = await this.uploads.manager.transaction(async (manager) => {
      const { chapter_id, file_count } = run.row;
      if (chapter_id === null) throw new Problem('chapter_not_found');
      await lockChapter(manager, chapter_id);
      const finished = await this.finish(manager, run, 'committed');
      if (!finished) return undefined;
      const state = await this.publishing.publish(manager, uploader, chapter_id, file_count);
      await this.audit.write(manager, {
        action: 'upload.committed',
        actor_id: uploader.id,
        session_id: uploader.session_id,
        subject_id: finished.id,
        details: { chapter_id, pages: file_count, state },
      });
      return finished;
    });
    if (!upload) return;
    this.results.add('ok', {});
    this.progress.publish(upload);
  }

  /** The user with the rights of this moment. Throws `forbidden` when they may not upload any more. */
  private async findUploader({ user_id, session_id }: Upload): Promise<Uploader> {
    const profile = user_id === null ? null : await this.users.find(user_id);
    const permissions = profile?.is_active ? rightsOf(profile.groups).permissions : undefined;
    if (!profile || !permissions?.upload_chapters) throw new Problem('forbidden');
    return { id: profile.id, session_id, isAdmin: permissions.admin };
  }

  /** Fails the commit for good, or leaves it to a later run when the cause can go away. */
  private async settle(run: Run, error: unknown): Promise<void> {
    if (error instanceof PageRefusal) return this.fail(run, error.code, error.file);
    const { code } = mapToProblem(error);
    const { attempts, expires_at } = run.row;
    const canGoAway = isUnavailable(code) && this.clock.date() < expires_at;
    const isUnexpected = !(error instanceof Problem) && attempts < MAX_ATTEMPTS;
    if (!canGoAway && !isUnexpected) return this.fail(run, code, null);
    if (!canGoAway) this.log.error(error);
    this.log.warn(`The commit of upload ${run.row.id} failed (${causeMessage(error)}); retrying in ${RETRY_SECONDS} s`);
    return this.leases.release(run, RETRY_SECONDS, !canGoAway);
  }

  private async fail(run: Run, problem: ProblemCode, file: string | null): Promise<void> {
    const upload = await this.uploads.manager.transaction(async (manager) => {
      const { id, user_id, session_id, chapter_id } = run.row;
      const hasChapter = chapter_id !== null && (await manager.existsBy(Chapter, { id: chapter_id }));
      if (hasChapter) await lockChapter(manager, chapter_id);
      const failed = await this.finish(manager, run, 'failed', problem, file);
      if (!failed) return undefined;
      if (hasChapter) {
        await this.pages.removeAll(manager, chapter_id);
        await this.publishing.setState(manager, chapter_id, 'failed');
      }
      const details = { chapter_id, problem, file };
      const actor = { actor_id: user_id, session_id, subject_id: id };
      await this.audit.write(manager, { action: 'upload.failed', ...actor, succeeded: false, details });
      return failed;
    });
    if (!upload) return;
    this.results.add(problem, {});
    this.progress.publish(upload);
  }

  private async finish(
    manager: EntityManager,
    { row: upload, claimId }: Run,
    state: 'committed' | 'failed',
    problem: string | null = null,
    file: string | null = null,
  ): Promise<Upload | undefined> {
    const now = this.clock.date();
    const expires = new Date(now.getTime() + RESULT_AGE_MS);
    const values = [upload.id, claimId, state, problem, file, now, expires];
    return (await returningRows<Upload>(manager, FINISH, values))[0];
  }
}

/** Keeps a chapter from being deleted until the transaction ends. Chapters are locked before uploads, as where one is deleted. */
async function keepChapter(manager: EntityManager, id: string): Promise<void> {
  await manager.findOne(Chapter, { select: { id: true }, where: { id }, lock: { mode: 'for_key_share' } });
}
