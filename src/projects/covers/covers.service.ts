import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { SqlValues } from '../../database/statements/sql-values.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import type { PageVariant } from '../../images/image-jobs.js';
import type { Caller } from '../../users/caller.js';
import type { StoredImage } from '../../stored-images/image-response.js';
import { PageDeliveryService } from '../pages/page-delivery.service.js';
import { PagesService } from '../pages/pages.service.js';
import { type Cover, Project } from '../projects/project.entity.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { ProjectsService } from '../projects/projects.service.js';
import { ANONYMOUS, type Reader, readerOf } from '../visibility/reader.js';
import { visibleProject } from '../visibility/visibility.js';

/** The covers of projects. A new cover gets a new id, so that its address never shows another image. */
@Injectable()
export class CoversService {
  constructor(
    @InjectRepository(Project) private readonly rows: Repository<Project>,
    private readonly projects: ProjectsService,
    private readonly search: ProjectSearchService,
    private readonly pages: PagesService,
    private readonly delivery: PageDeliveryService,
    private readonly config: Config,
  ) {}

  /**
   * Makes a picture the cover of a project. Throws `project_not_found`, `version_conflict` and what `PagesService.store`
   * throws.
   */
  async set(caller: Caller, idOrSlug: string, expected: number, file: Buffer[]): Promise<string> {
    const project = await this.search.get(readerOf(caller), idOrSlug);
    if (project.version !== expected) throw new Problem('version_conflict');
    const { id: cover_id, format, sizes } = await this.pages.store(file);
    try {
      await this.projects.setCover(caller, project.id, expected, { cover_id, cover: { format, sizes } });
    } catch (error) {
      // After a failure of the server the row may exist all the same: the files stay, the worker deletes orphans.
      if (mapToProblem(error).getStatus() < 500) await this.pages.discard([{ id: cover_id }]);
      throw error;
    }
    return project.id;
  }

  /** Removes the cover of a project. Throws `project_not_found`, `version_conflict`. */
  async remove(caller: Caller, idOrSlug: string, expected: number): Promise<void> {
    const { id } = await this.search.get(readerOf(caller), idOrSlug);
    await this.projects.setCover(caller, id, expected, { cover_id: null, cover: null });
  }

  /**
   * A file of a cover. `authenticate` is called only when not everyone sees the project. Throws `cover_not_found` and what
   * `authenticate` throws.
   */
  async getImage(id: string, variant: PageVariant, authenticate: () => Promise<Reader | null>): Promise<StoredImage> {
    const publicCover = this.config.ANONYMOUS_READING === 'on' ? await this.find(ANONYMOUS, id) : undefined;
    const reader = publicCover ? ANONYMOUS : await authenticate();
    const cover = publicCover ?? (reader && (await this.find(reader, id)));
    if (!cover) throw new Problem('cover_not_found');
    return this.delivery.toImage(id, variant, {
      format: cover.format,
      size: cover.sizes[variant],
      isPublic: publicCover !== undefined,
    });
  }

  private async find(reader: Reader, id: string): Promise<Cover | undefined> {
    const values = new SqlValues();
    const [row] = await this.rows.query<{ cover: Cover }[]>(
      `select p.cover from projects p where p.cover_id = ${values.add(id)}::uuid and ${visibleProject(reader, values)}`,
      values.all,
    );
    return row?.cover;
  }
}
