import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import { nameOf } from '../chapters/chapter-names.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import { PageFilesService } from '../pages/page-files.service.js';
import type { Page } from '../pages/page.entity.js';
import { PagesService } from '../pages/pages.service.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import type { ListedProject } from '../projects/projects.dto.js';
import type { Reader } from '../visibility/reader.js';
import { isChapterPublic } from '../visibility/visibility.js';
import { toComicInfo } from './comic-info.js';
import { type ZipEntry, zipOf, zipSize } from './stored-zip.js';

/** An archive of a chapter. */
export interface ChapterArchive {
  fileName: string;
  size: number;
  etag: string;
  isPublic: boolean;
  /** The bytes, read while they are sent. */
  open: () => Readable;
}

/** Chapters as archives for comic readers (CBZ): the original images and a ComicInfo.xml. */
@Injectable()
export class DownloadsService {
  constructor(
    private readonly chapters: ChapterListsService,
    private readonly projects: ProjectSearchService,
    private readonly pages: PagesService,
    private readonly files: PageFilesService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /** The archive of a chapter that the reader sees. Throws `chapter_not_found`, `page_not_found` when it has no pages. */
  async get(reader: Reader, id: string): Promise<ChapterArchive> {
    const chapter = await this.chapters.get(reader, id);
    const pages = await this.pages.listRows(id);
    if (pages.length === 0) throw new Problem('page_not_found');
    const project = await this.findProject(reader, chapter);
    const address = `${this.config.publicUrl}/api/chapters/${id}`;
    const info = Buffer.from(toComicInfo(chapter, project, pages, address));
    const entries = [entryOf('ComicInfo.xml', info), ...this.imageEntries(pages)];
    const hash = createHash('sha256')
      .update(info)
      .update(pages.map((page) => page.id).join())
      .digest('base64url');
    return {
      fileName: `${fileNameOf(`${chapter.project_title} - ${nameOf(chapter)}`)}.cbz`,
      size: zipSize(entries),
      etag: `"${hash.slice(0, 22)}"`,
      isPublic: isChapterPublic(this.config, this.clock.date(), chapter, { is_hidden: chapter.project_is_hidden }),
      open: () => Readable.from(zipOf(entries), { objectMode: false }),
    };
  }

  /** Readers with early access or own uploads may see a chapter of a project that was hidden meanwhile. */
  private async findProject(reader: Reader, { project_id }: ListedChapter): Promise<ListedProject> {
    const [project] = await this.projects.listByIds(reader, [project_id]);
    if (!project) throw new Problem('chapter_not_found');
    return project;
  }

  private imageEntries(pages: Page[]): ZipEntry[] {
    const digits = Math.max(3, String(pages.length).length);
    return pages.map((page, i) => ({
      name: `${String(i + 1).padStart(digits, '0')}.${page.format === 'jpeg' ? 'jpg' : page.format}`,
      size: page.sizes.original,
      crc32: Number(page.crc32),
      open: () => this.files.openWhole(page.id, 'original'),
    }));
  }
}

const entryOf = (name: string, bytes: Buffer): ZipEntry => ({
  name,
  size: bytes.length,
  crc32: crc32(bytes),
  open: () => Promise.resolve(Readable.from([bytes], { objectMode: false })),
});

/** Without what file systems do not allow in names. */
const fileNameOf = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}"*/:<>?\\|]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/^[. ]+|[. ]+$/g, '')
    .slice(0, 120)
    .toWellFormed() || 'chapter';
