import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import type { BatchedQuery } from '../../database/statements/batched-query.js';
import { POOL } from '../../database/connections/pool.js';
import { Problem } from '../../http/problems/problem.js';
import { type PageVariant, typeOf } from '../../images/image-jobs.js';
import { IMAGE_HEADERS, PRIVATE, type StoredImage } from '../../stored-images/image-response.js';
import type { Reader } from '../visibility/reader.js';
import { isChapterPublic, isChapterVisible } from '../visibility/visibility.js';
import { type DeliveredPage, queryDeliveredPages } from './delivered-pages.js';
import { PageFilesService } from './page-files.service.js';
import type { Page } from './page.entity.js';

const PUBLIC_FOR_A_DAY = 'public, max-age=86400';

/** The store cannot ask who may read an image: its addresses work for this time after a chapter was hidden. */
const REDIRECT_SECONDS = 60;

/**
 * Finds what to send for the image of a page. Each request asks the database who may see it, so that hiding a chapter and
 * taking a right away take effect at once, on every node.
 */
@Injectable()
export class PageDeliveryService {
  private readonly pages: BatchedQuery<DeliveredPage>;

  constructor(
    @Inject(POOL) pool: Pool,
    private readonly files: PageFilesService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {
    this.pages = queryDeliveredPages(pool);
  }

  /**
   * A file of a page. `authenticate` finds the reader, for an image of this chapter; it is called only when not everyone sees
   * the page. Throws `page_not_found` and what `authenticate` throws; reading the bytes throws `storage_unavailable`.
   */
  async getImage(
    id: string,
    variant: PageVariant,
    authenticate: (chapterId: string) => Promise<Reader | null>,
  ): Promise<StoredImage> {
    const page = await this.pages.find(id);
    const now = this.clock.date();
    const isPublic = page !== undefined && isChapterPublic(this.config, now, page, projectOf(page));
    if (!isPublic) {
      const reader = await authenticate(page?.chapter_id ?? id);
      if (!page || !reader || !isChapterVisible(reader, now, page, projectOf(page)))
        throw new Problem('page_not_found');
    }
    return this.toImage(id, variant, { format: page.format, size: page.sizes[variant], isPublic });
  }

  /** A file whose reader may see it. */
  async toImage(
    id: string,
    variant: PageVariant,
    { format, size, isPublic }: Pick<Page, 'format'> & { size: number; isPublic: boolean },
  ): Promise<StoredImage> {
    const location =
      this.config.PAGE_REDIRECTS === 'on' && (await this.files.findSignedUrl(id, variant, REDIRECT_SECONDS));
    if (location) return { location };
    return {
      headers: {
        ...IMAGE_HEADERS,
        'cache-control': isPublic ? PUBLIC_FOR_A_DAY : PRIVATE,
        'content-type': typeOf(variant, format),
      },
      etag: `"${id}-${variant}"`,
      read: () => this.files.read(id, variant, size),
    };
  }
}

const projectOf = ({ project_is_hidden: is_hidden }: DeliveredPage): { is_hidden: boolean } => ({ is_hidden });
