import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, LessThan, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { changedValues } from '../../common/changes.js';
import { Clock } from '../../common/clock.provider.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { readerOf } from '../visibility/reader.js';
import { Project } from './project.entity.js';
import { ProjectRevision } from './project-revision.entity.js';
import { ProjectSearchService } from './project-search.service.js';
import { ProjectSlug } from './project-slug.entity.js';
import type { CreateProjectDto, ProjectRevisionDto, UpdateProjectDto } from './projects.dto.js';
import { slugOf } from './slugs.js';

/** Titles and people as a search compares them, and the title as it is sorted. */
const SET_FOLDED_TEXTS = `update projects set search_text = fold_text(title || ' ' || (
    select coalesce(string_agg(x ->> 'title', ' '), '') from jsonb_array_elements(alternative_titles) x) || ' ' || (
    select coalesce(string_agg(x ->> 'name', ' '), '') from jsonb_array_elements(people) x)),
  sort_title = left(fold_text(title), 60) where id = $1`;

/** Chapters that were published while their project was hidden are shown with the project. */
const SHOW_CHAPTERS = `update chapters set shown_at = $2
  where project_id = $1 and state = 'published' and not is_hidden and shown_at is null`;

/** Creates and changes projects. Every version is recorded. */
@Injectable()
export class ProjectsService {
  constructor(
    @InjectRepository(Project) private readonly projects: Repository<Project>,
    @InjectRepository(ProjectRevision) private readonly revisions: Repository<ProjectRevision>,
    private readonly search: ProjectSearchService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** Creates a project. Returns its id. Throws `slug_taken`. */
  async create(caller: Caller, dto: CreateProjectDto): Promise<string> {
    try {
      return await this.insert(caller, dto);
    } catch (error) {
      // A project of the same title may have been created since its slug was free. The second attempt finds it.
      if (dto.slug !== undefined || mapToProblem(error).code !== 'slug_taken') throw error;
      return this.insert(caller, dto);
    }
  }

  private insert(caller: Caller, { slug, ...fields }: CreateProjectDto): Promise<string> {
    const id = uuidv7();
    const now = this.clock.date();
    const dto = inStoredOrder(fields);
    return this.projects.manager.transaction(async (manager) => {
      const project = {
        ...DEFAULTS,
        ...dto,
        id,
        slug: slug ?? (await findFreeSlug(manager, dto.title, id)),
        version: 1,
        created_at: now,
        updated_at: now,
      };
      await manager.insert(Project, { ...project, search_text: '', sort_title: '' });
      await manager.query(SET_FOLDED_TEXTS, [id]);
      await claimSlug(manager, project.slug, id);
      const { version: _, created_at: __, updated_at: ___, id: ____, ...changes } = project;
      await this.record(manager, caller, id, 1, changes);
      await this.audit.write(manager, {
        action: 'project.created',
        ...actorOf(caller),
        subject_id: id,
        details: { slug: project.slug, title: project.title },
      });
      return id;
    });
  }

  /** Changes a project. Throws `project_not_found`, `version_conflict`, `slug_taken`. */
  async update(
    caller: Caller,
    idOrSlug: string,
    expected: number,
    dto: Omit<UpdateProjectDto, 'version'>,
  ): Promise<void> {
    const { id } = await this.search.get(readerOf(caller), idOrSlug);
    await this.projects.manager.transaction(async (manager) => {
      const project = await this.lock(manager, id, expected);
      const changes = changedValues(project, inStoredOrder(dto));
      if (Object.keys(changes).length === 0) return;
      const updated_at = this.clock.date();
      await manager.update(Project, id, { ...changes, version: expected + 1, updated_at });
      await manager.query(SET_FOLDED_TEXTS, [id]);
      if (changes.slug !== undefined) await claimSlug(manager, changes.slug, id);
      if (changes.is_hidden === false) await manager.query(SHOW_CHAPTERS, [id, updated_at]);
      await this.record(manager, caller, id, expected + 1, changes);
      await this.audit.write(manager, {
        action: 'project.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { version: expected + 1, fields: Object.keys(changes) },
      });
    });
  }

  /** Sets the cover, whose files are stored. Throws `project_not_found`, `version_conflict`. */
  async setCover(
    caller: Caller,
    id: string,
    expected: number,
    cover: Pick<Project, 'cover_id' | 'cover'>,
  ): Promise<void> {
    await this.projects.manager.transaction(async (manager) => {
      await this.lock(manager, id, expected);
      const version = expected + 1;
      await manager.update(Project, id, { ...cover, version, updated_at: this.clock.date() });
      await this.record(manager, caller, id, version, { cover_id: cover.cover_id });
      await this.audit.write(manager, {
        action: 'project.changed',
        ...actorOf(caller),
        subject_id: id,
        details: { version, fields: ['cover'] },
      });
    });
  }

  /**
   * Deletes a project. `upload_chapters` decides about chapters, so a caller without it deletes only projects without any.
   * Throws `project_not_found`, `version_conflict`, `project_has_chapters`.
   */
  async remove(caller: Caller, idOrSlug: string, expected: number): Promise<void> {
    const { id } = await this.search.get(readerOf(caller), idOrSlug);
    await this.projects.manager.transaction(async (manager) => {
      const { slug, title } = await this.lock(manager, id, expected);
      const [row] = await manager.query<{ count: number }[]>(
        'select count(*)::int as count from chapters where project_id = $1',
        [id],
      );
      if (row!.count > 0 && !caller.permissions.upload_chapters) throw new Problem('project_has_chapters');
      await manager.delete(Project, id);
      await this.audit.write(manager, {
        action: 'project.deleted',
        ...actorOf(caller),
        subject_id: id,
        details: { slug, title, chapters: row!.count },
      });
    });
  }

  /** The versions of a project, newest first. Throws `project_not_found`, `invalid_cursor`. */
  async listRevisions(
    caller: Caller,
    idOrSlug: string,
    { limit, cursor }: PageQueryDto,
  ): Promise<Page<ProjectRevisionDto>> {
    const { id } = await this.search.get(readerOf(caller), idOrSlug);
    const before = readCursor(cursor, (key) => /^[1-9]\d{0,8}$/.test(key));
    const rows = await this.revisions.find({
      where: { project_id: id, ...(before === undefined ? {} : { version: LessThan(Number(before)) }) },
      order: { version: 'DESC' },
      take: limit + 1,
    });
    return toPage(
      rows,
      limit,
      (row) => String(row.version),
      ({ version, user_id, changes, created_at }) => ({ version, user_id, changes, created_at }),
    );
  }

  /** Locks a project for a change of this version. Throws `project_not_found`, `version_conflict`. */
  private async lock(manager: EntityManager, id: string, expected: number): Promise<Project> {
    const project = await manager.findOne(Project, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!project) throw new Problem('project_not_found');
    if (project.version !== expected) throw new Problem('version_conflict');
    return project;
  }

  private async record(
    manager: EntityManager,
    caller: Caller,
    project_id: string,
    version: number,
    changes: object,
  ): Promise<void> {
    const created_at = this.clock.date();
    await manager.insert(ProjectRevision, {
      project_id,
      version,
      user_id: caller.id,
      changes: { ...changes },
      created_at,
    });
  }
}

const DEFAULTS = {
  alternative_titles: [],
  description: '',
  status: 'ongoing',
  content_rating: 'everyone',
  reading_direction: 'right_to_left',
  tags: [],
  people: [],
  is_hidden: false,
} as const satisfies Partial<Project>;

/** PostgreSQL orders the keys of a jsonb object by their length; in the same order, equal values compare as equal. */
const inStoredOrder = <T extends Partial<CreateProjectDto>>(dto: T): T =>
  dto.alternative_titles === undefined
    ? dto
    : { ...dto, alternative_titles: dto.alternative_titles.map(({ title, language }) => ({ title, language })) };

/** A slug of the title that no project has or had; else one with a part of the id. */
async function findFreeSlug(manager: EntityManager, title: string, id: string): Promise<string> {
  const slug = slugOf(title);
  if (slug !== undefined && !(await manager.existsBy(ProjectSlug, { slug }))) return slug;
  return `${slug ?? 'project'}-${id.slice(-8)}`;
}

/** A project keeps its former slugs and may take them again; no other project can. Throws `slug_taken`. */
async function claimSlug(manager: EntityManager, slug: string, project_id: string): Promise<void> {
  if (await insertOrIgnore(manager, ProjectSlug, { slug, project_id })) return;
  if (!(await manager.existsBy(ProjectSlug, { slug, project_id }))) throw new Problem('slug_taken');
}
