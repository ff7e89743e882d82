import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { AuditService } from '../../../audit/audit.service.js';
import { Clock } from '../../../common/clock.provider.js';
import { afterCommit } from '../../../database/after-commit.js';
import { returningRows } from '../../../database/statements/returning.js';
import { Problem, validationFailed } from '../../../http/problems/problem.js';
import { actorOf, type Caller } from '../../../users/caller.js';
import { UsersService } from '../../../users/users.service.js';
import { ChapterListsService } from '../../chapters/chapter-lists.service.js';
import { ChapterPublishingService } from '../../chapters/chapter-publishing.service.js';
import type { CreateChapterDto } from '../../chapters/chapters.dto.js';
import { ChaptersService, lockChapter } from '../../chapters/chapters.service.js';
import { Project } from '../../projects/project.entity.js';
import { ProjectSearchService } from '../../projects/project-search.service.js';
import { readerOf } from '../../visibility/reader.js';
import { Upload } from '../upload.entity.js';
import { UploadsService, WITHOUT_PAGES } from '../uploads.service.js';

/** Atomic: of several commits of an upload only the first finds it open. $4: now, $5: the expected version. */
const COMMIT = `update uploads set state = 'committing', version = version + 1, session_id = $3, updated_at = $4, done = 0
  where id = $1 and user_id = $2 and state = 'open' and version = $5 returning file_count`;

/** Starts commits. The pages are made in the background: see CommitRunsService. */
@Injectable()
export class CommitsService {
  private onStarted: () => void = () => undefined;

  constructor(
    @InjectRepository(Upload) private readonly repository: Repository<Upload>,
    private readonly uploads: UploadsService,
    private readonly projects: ProjectSearchService,
    private readonly lists: ChapterListsService,
    private readonly chapters: ChaptersService,
    private readonly publishing: ChapterPublishingService,
    private readonly users: UsersService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Calls `listener` after each commit that a request to this node has started. */
  whenStarted(listener: () => void): void {
    this.onStarted = listener;
  }

  /**
   * Takes an upload for its commit, and creates its chapter unless it has one. Throws `upload_not_found`,
   * `upload_not_open`, `version_conflict`, `upload_empty`, `validation_failed`, `project_not_found`, `chapter_not_found`,
   * `chapter_not_draft`, `chapter_exists`, `release_group_not_found`.
   */
  async start(caller: Caller, id: string, expected: number, dto: CreateChapterDto | undefined): Promise<void> {
    const upload = await this.uploads.assertOpen(caller, id);
    await this.assertTarget(caller, upload, dto);
    await this.repository.manager.transaction(async (manager) => {
      await this.users.lockCaller(manager, caller); // as the deletion of the account, which then changes the upload
      await lockTarget(manager, upload);
      const values = [id, caller.id, caller.session_id, this.clock.date(), expected];
      const [taken] = await returningRows<{ file_count: number }>(manager, COMMIT, values);
      if (!taken) await this.uploads.refuse(manager, caller, id);
      if (taken?.file_count === 0) throw new Problem('upload_empty');
      const chapter_id = upload.chapter_id ?? (await this.chapters.insert(manager, caller, upload.project_id!, dto!));
      await this.publishing.setState(manager, chapter_id, 'processing');
      await manager.update(Upload, id, { chapter_id });
      await this.audit.write(manager, {
        action: 'upload.commit_started',
        ...actorOf(caller),
        subject_id: id,
        details: { chapter_id, pages: taken!.file_count },
      });
      afterCommit(manager, this.onStarted);
    });
  }

  /** What was visible when the upload was started may not be any more. */
  private async assertTarget(
    caller: Caller,
    { project_id, chapter_id }: Upload,
    dto: CreateChapterDto | undefined,
  ): Promise<void> {
    if ((chapter_id === null) !== (dto !== undefined)) {
      const message = dto ? 'this upload is for a draft: chapter should not exist' : 'chapter must be an object';
      throw validationFailed([{ path: 'chapter', message }]);
    }
    if (chapter_id !== null) await this.lists.get(readerOf(caller), chapter_id);
    else if (project_id === null) throw new Problem('project_not_found');
    else await this.projects.get(readerOf(caller), project_id);
  }
}

/**
 * Locks the draft, or the project of the new chapter, before the upload: as where they are deleted. Throws
 * `chapter_not_found`, `chapter_not_draft`, `upload_not_open`, `project_not_found`.
 */
async function lockTarget(manager: EntityManager, { id, chapter_id, project_id }: Upload): Promise<void> {
  if (chapter_id !== null) {
    const { chapter } = await lockChapter(manager, chapter_id);
    if (WITHOUT_PAGES.includes(chapter.state)) return;
    const isOpen = await manager.existsBy(Upload, { id, state: 'open' });
    throw new Problem(isOpen ? 'chapter_not_draft' : 'upload_not_open');
  }
  const lock = { mode: 'for_no_key_update' as const }; // that of lockChapter, which follows: a stronger one could deadlock
  const project = await manager.findOne(Project, { select: { id: true }, where: { id: project_id! }, lock });
  if (!project) throw new Problem('project_not_found');
}
