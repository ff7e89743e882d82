import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Problem } from '../../http/problems/problem.js';
import { UuidParam } from '../../http/validation.js';
import type { PageVariant } from '../../images/image-jobs.js';
import { ApiProblems } from '../../permissions/access.decorators.js';
import { PageDeliveryService } from '../pages/page-delivery.service.js';
import { PRIVATE, sendImage, SendsImage, type StoredImage } from '../../stored-images/image-response.js';
import { PagesService } from '../pages/pages.service.js';
import { CurrentReader, type Reader } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { CataloguePageQueryDto } from './opds.dto.js';

/** The images of pages by their numbers, for comic readers that stream pages (OPDS PSE). */
@ApiTags('feeds')
@Controller('opds/chapters')
export class PageStreamingController {
  constructor(
    private readonly pages: PagesService,
    private readonly delivery: PageDeliveryService,
  ) {}

  /** Sends the image of a page of a chapter that the caller sees. Pages are counted from 0. */
  @Get(':id/pages/:number')
  @ApiOperation({ operationId: 'getPageOpds1' })
  @OpenToReaders()
  @ApiParam({ name: 'number', schema: { type: 'integer', minimum: 0 } })
  @SendsImage()
  @ApiProblems('page_not_found', 'range_not_satisfiable', 'storage_unavailable')
  async getPage(
    @CurrentReader() reader: Reader,
    @UuidParam('id') chapterId: string,
    @Param('number') number: string,
    @Query() { width }: CataloguePageQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const id = /^\d{1,6}$/.test(number) ? await this.pages.findId(chapterId, Number(number) + 1) : null;
    if (id === null) throw new Problem('page_not_found');
    const image = await this.delivery.getImage(id, variantFor(width), () => Promise.resolve(reader));
    await sendImage(request, response, withoutCaching(image));
  }
}

/** Another page may get this number, so caches must ask each time. */
function withoutCaching(image: StoredImage): StoredImage {
  if ('location' in image || image.headers['cache-control'] === PRIVATE) return image;
  return { ...image, headers: { ...image.headers, 'cache-control': 'private, no-cache' } };
}

/** The smallest file that is wide enough. Not the data saver, whose quality nobody has asked for. */
function variantFor(width: number | undefined): PageVariant {
  if (width === undefined || width > 1600) return 'original';
  return width > 256 ? 'reader' : 'thumbnail';
}
