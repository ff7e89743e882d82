import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import type { ImageSource } from '../../images/image-jobs.js';
import { ImageProcessingService } from '../../images/image-processing.service.js';
import { sizesOf } from '../../stored-images/image-files.js';
import { PageFilesService } from './page-files.service.js';
import type { Reader } from '../visibility/reader.js';
import { type ChapterVisibility, isChapterPublic } from '../visibility/visibility.js';
import { Page } from './page.entity.js';
import { PageTokensService } from './page-tokens.service.js';
import { toPageDto } from './page-urls.js';
import type { PageDto } from './pages.dto.js';

/** A page whose files are stored, and that has no row yet. */
export type StoredPage = Pick<Page, 'id' | 'format' | 'width' | 'height' | 'sizes' | 'crc32'>;

const SET_POSITIONS = `update pages a set position = o.position
  from unnest($2::uuid[]) with ordinality as o (id, position) where a.id = o.id and a.chapter_id = $1`;

/**
 * The pages of chapters. Files are stored first, under a new id, then the row is inserted: no row ever points to missing
 * files. Files without a row are deleted by the worker an hour later.
 */
@Injectable()
export class PagesService {
  constructor(
    @InjectRepository(Page) private readonly pages: Repository<Page>,
    private readonly images: ImageProcessingService,
    private readonly files: PageFilesService,
    private readonly tokens: PageTokensService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /** How many pages are processed at a time. Further ones wait. */
  get concurrency(): number {
    return this.images.concurrency;
  }

  /**
   * Makes and stores the files of a page, from its bytes or from a file on this machine. Throws `unsupported_picture`,
   * `picture_damaged`, `picture_too_large`, `file_too_large`, `picture_too_slow`, `too_many_uploads`,
   * `storage_unavailable`.
   */
  async store(source: ImageSource): Promise<StoredPage> {
    const target = await this.files.findTarget();
    const { format, width, height, files } = await this.images.make('page', source, target);
    const id = uuidv7();
    await this.files.create(id, { format, files });
    return {
      id,
      format,
      width,
      height,
      sizes: sizesOf(files),
      crc32: String(files.original.crc32),
    };
  }

  /** Deletes the files of pages that got no row. Does not fail: what remains is deleted by the worker. */
  async discard(pages: Pick<StoredPage, 'id'>[]): Promise<void> {
    for (const { id } of pages) await this.files.discard(id);
  }

  /** The pages of a chapter that the reader sees, with addresses that work for this reader. */
  async list(
    reader: Reader,
    chapter: ChapterVisibility & { id: string; project_is_hidden: boolean },
  ): Promise<PageDto[]> {
    const pages = await this.listRows(chapter.id);
    const project = { is_hidden: chapter.project_is_hidden };
    const isPublic = isChapterPublic(this.config, this.clock.date(), chapter, project);
    const token = isPublic ? undefined : this.tokens.create(reader, chapter.id);
    return pages.map((page) => toPageDto(page, token));
  }

  /** The rows of the pages of a chapter, in order. */
  listRows(chapter_id: string): Promise<Page[]> {
    return this.pages.find({ where: { chapter_id }, order: { position: 'ASC' } });
  }

  /** The first pages of these chapters, by chapter. */
  async listFirst(chapterIds: string[]): Promise<Map<string, Page>> {
    const pages = await this.pages.findBy({ chapter_id: In(chapterIds), position: 1 });
    return new Map(pages.map((page) => [page.chapter_id, page]));
  }

  /** The id of the page at a position, from 1. */
  async findId(chapter_id: string, position: number): Promise<string | null> {
    const page = await this.pages.findOne({ select: { id: true }, where: { chapter_id, position } });
    return page?.id ?? null;
  }

  /**
   * Puts the pages of a chapter in this order. The caller has locked the chapter. Throws `pages_differ` unless the ids are
   * those of all its pages.
   */
  async reorder(manager: EntityManager, chapter_id: string, ids: string[]): Promise<void> {
    const rows = await manager.find(Page, { select: { id: true }, where: { chapter_id } });
    const known = new Set(rows.map(({ id }) => id));
    if (ids.length !== known.size || !ids.every((id) => known.delete(id))) throw new Problem('pages_differ');
    await manager.query(SET_POSITIONS, [chapter_id, ids]);
  }

  /** Inserts pages of a chapter, in this order, the first at `position`. */
  async insert(manager: EntityManager, chapter_id: string, pages: StoredPage[], position = 1): Promise<void> {
    if (pages.length === 0) return;
    await manager.insert(
      Page,
      pages.map((page, i) => ({ ...page, chapter_id, position: position + i })),
    );
  }

  /** Deletes all pages of a chapter. */
  async removeAll(manager: EntityManager, chapter_id: string): Promise<void> {
    await manager.delete(Page, { chapter_id });
  }
}
