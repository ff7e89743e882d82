import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { changedValues } from '../../common/changes.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { PagesService } from '../pages/pages.service.js';
import { Project } from '../projects/project.entity.js';
import { readerOf } from '../visibility/reader.js';
import { ChapterListsService } from './chapter-lists.service.js';
import { numberKeyOf, sortKeyOf } from './chapter-numbers.js';
import { ChapterReleaseGroup } from './chapter-release-group.entity.js';
import { Chapter } from './chapter.entity.js';
import type { CreateChapterDto, UpdateChapterDto } from './chapters.dto.js';

const NO_VALUES = { number: null, sort_as: null, volume: null, title: null, release_at: null, is_hidden: false };

/** Creates, changes and deletes chapters. Their pages are uploaded in `uploads`. */
@Injectable()
export class ChaptersService {
  constructor(
    @InjectRepository(Chapter) private readonly chapters: Repository<Chapter>,
    private readonly lists: ChapterListsService,
    private readonly projects: ProjectSearchService,
    private readonly pages: PagesService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Creates a draft. Returns its id. Throws `project_not_found`, `chapter_exists`, `release_group_not_found`. */
  async create(caller: Caller, projectIdOrSlug: string, dto: CreateChapterDto): Promise<string> {
    const { id: project_id } = await this.projects.get(readerOf(caller), projectIdOrSlug);
    return this.chapters.manager.transaction((manager) => this.insert(manager, caller, project_id, dto));
  }

  /** Inserts a draft into a project that the caller sees. Throws `chapter_exists`, `release_group_not_found`. */
  async insert(
    manager: EntityManager,
    caller: Caller,
    project_id: string,
    { release_group_ids = [], ...dto }: CreateChapterDto,
  ): Promise<string> {
    const id = uuidv7();
    const now = this.clock.date();
    const fields = { ...NO_VALUES, ...dto };
    await manager.insert(Chapter, {
      ...fields,
      ...keysOf(fields),
      id,
      project_id,
      groups_key: groupsKeyOf(release_group_ids),
      uploader_id: caller.id,
      state: 'draft',
      created_at: now,
      updated_at: now,
    });
    await setReleaseGroups(manager, id, release_group_ids);
    await this.audit.write(manager, {
      action: 'chapter.created',
      ...actorOf(caller),
      subject_id: id,
      details: { project_id, number: fields.number, language: fields.language },
    });
    return id;
  }

  /** Changes a chapter. Throws `chapter_not_found`, `version_conflict`, `chapter_exists`, `release_group_not_found`. */
  async update(
    caller: Caller,
    id: string,
    expected: number,
    { release_group_ids, ...dto }: Omit<UpdateChapterDto, 'version'>,
  ): Promise<void> {
    await this.lists.get(readerOf(caller), id);
    await this.chapters.manager.transaction(async (manager) => {
      const { chapter, project } = await lockChapter(manager, id);
      if (chapter.version !== expected) throw new Problem('version_conflict');
      const groups_key = release_group_ids && groupsKeyOf(release_group_ids);
      const changes = changedValues(chapter, { ...dto, ...(groups_key === undefined ? {} : { groups_key }) });
      if (Object.keys(changes).length === 0) return;
      const changed = { ...chapter, ...changes };
      const updated_at = this.clock.date();
      await manager.update(Chapter, id, {
        ...changes,
        ...keysOf(changed),
        shown_at: shownAt(changed, project, updated_at),
        version: expected + 1,
        updated_at,
      });
      if (changes.groups_key !== undefined) await setReleaseGroups(manager, id, release_group_ids!);
      await this.audit.write(manager, {
        action: 'chapter.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { version: expected + 1, ...changes },
      });
    });
  }

  /**
   * Puts the pages of a chapter in this order. Throws `chapter_not_found`, `version_conflict`, `chapter_processing`,
   * `pages_differ`.
   */
  async reorderPages(caller: Caller, id: string, expected: number, pageIds: string[]): Promise<void> {
    await this.lists.get(readerOf(caller), id);
    await this.chapters.manager.transaction(async (manager) => {
      const { chapter } = await lockChapter(manager, id);
      if (chapter.version !== expected) throw new Problem('version_conflict');
      if (chapter.state === 'processing') throw new Problem('chapter_processing');
      const ids = pageIds.map((each) => each.toLowerCase());
      await this.pages.reorder(manager, id, ids);
      await manager.update(Chapter, id, { version: expected + 1, updated_at: this.clock.date() });
      await this.audit.write(manager, {
        action: 'chapter.pages_reordered',
        ...actorOf(caller),
        subject_id: id,
        details: { version: expected + 1 },
      });
    });
  }

  /** Deletes a chapter. Throws `chapter_not_found`, `version_conflict`. */
  async remove(caller: Caller, id: string, expected: number): Promise<void> {
    await this.lists.get(readerOf(caller), id);
    await this.chapters.manager.transaction(async (manager) => {
      const { chapter } = await lockChapter(manager, id);
      if (chapter.version !== expected) throw new Problem('version_conflict');
      await manager.delete(Chapter, id);
      await this.audit.write(manager, {
        action: 'chapter.deleted',
        ...actorOf(caller),
        subject_id: id,
        details: { project_id: chapter.project_id, number: chapter.number, language: chapter.language },
      });
    });
  }
}

/**
 * Locks the project of a chapter and then the chapter, for a change. Changes of a project's chapters follow each other, since a trigger
 * updates the project. Throws `chapter_not_found`.
 */
export async function lockChapter(
  manager: EntityManager,
  id: string,
): Promise<{ chapter: Chapter; project: Pick<Project, 'id' | 'is_hidden'> }> {
  const found = await manager.findOne(Chapter, { select: { id: true, project_id: true }, where: { id } });
  if (!found) throw new Problem('chapter_not_found');
  const project = await manager.findOne(Project, {
    select: { id: true, is_hidden: true },
    where: { id: found.project_id },
    lock: { mode: 'for_no_key_update' },
  });
  const chapter = await manager.findOne(Chapter, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!chapter || !project) throw new Problem('chapter_not_found'); // deleted meanwhile
  return { chapter, project };
}

/** When a chapter was first shown, if it is shown after a change at `now`. */
export const shownAt = (
  { state, is_hidden, shown_at }: Pick<Chapter, 'state' | 'is_hidden' | 'shown_at'>,
  project: { is_hidden: boolean },
  now: Date,
): Date | null => shown_at ?? (state === 'published' && !is_hidden && !project.is_hidden ? now : null);

const keysOf = ({ number, sort_as, title }: Pick<Chapter, 'number' | 'sort_as' | 'title'>) => ({
  number_key: numberKeyOf(number, title),
  sort_key: sortKeyOf(sort_as ?? number),
});

const groupsKeyOf = (ids: string[]): string =>
  ids
    .map((id) => id.toLowerCase())
    .toSorted()
    .join();

async function setReleaseGroups(manager: EntityManager, chapter_id: string, ids: string[]): Promise<void> {
  await manager.delete(ChapterReleaseGroup, { chapter_id });
  if (ids.length === 0) return;
  await manager.insert(
    ChapterReleaseGroup,
    ids.map((id) => ({ chapter_id, group_id: id.toLowerCase() })),
  );
}
