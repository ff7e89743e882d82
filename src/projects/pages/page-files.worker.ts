import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { FileDeletionsService } from '../../storage/file-deletions.service.js';
import { FilesWorker } from '../../storage/files.worker.js';
import { imageIdOf } from '../../stored-images/image-files.js';
import { Storage } from '../../storage/storage.js';
import { PageFilesService, PAGES_FOLDER } from './page-files.service.js';
import { PageRemoval } from './page-removal.entity.js';
import { Page } from './page.entity.js';

/** Pages and covers are stored in the same way. */
const FIND_KNOWN = `select id from pages where id = any ($1::uuid[])
  union all select cover_id from projects where cover_id = any ($1::uuid[])`;

/** Deletes files of pages and covers that are no longer needed. */
@Injectable()
export class PageFilesWorker extends FilesWorker {
  constructor(
    @InjectRepository(Page) private readonly pages: Repository<Page>,
    @InjectRepository(PageRemoval) private readonly removals: Repository<PageRemoval>,
    private readonly files: PageFilesService,
    protected readonly storage: Storage,
    protected readonly clock: Clock,
    protected readonly deletions: FileDeletionsService,
  ) {
    super(PAGES_FOLDER, 'page');
  }

  deleteRemovedFiles(): Promise<void> {
    return this.deleteRemovals(this.removals, 'page_id', (id) => this.files.remove(id));
  }

  protected idOf(key: string): string | undefined {
    return imageIdOf(key);
  }

  protected async findKnownIds(ids: string[]): Promise<Set<string>> {
    const rows = await this.pages.query<{ id: string }[]>(FIND_KNOWN, [ids]);
    return new Set(rows.map(({ id }) => id));
  }
}
