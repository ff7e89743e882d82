import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { isNotModified, sendStream } from '../../http/representation.js';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems } from '../../permissions/access.decorators.js';
import { CBZ_TYPE } from '../opds/catalogue.js';
import { PRIVATE } from '../../stored-images/image-response.js';
import { CurrentReader, type Reader } from '../visibility/reader.js';
import { OpenToReaders } from '../visibility/reader.guard.js';
import { DownloadsService } from './downloads.service.js';

/** Chapters as files. */
@ApiTags('projects')
@Controller('chapters')
export class DownloadsController {
  constructor(private readonly downloads: DownloadsService) {}

  /** Sends a chapter that the caller sees as an archive for comic readers: the original images and a ComicInfo.xml. */
  @Get(':id/download.cbz')
  @ApiOperation({ operationId: 'downloadChapter' })
  @OpenToReaders()
  @ApiOkResponse({ content: { [CBZ_TYPE]: { schema: { type: 'string', format: 'binary' } } } })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems('chapter_not_found', 'page_not_found', 'storage_unavailable')
  async download(
    @CurrentReader() reader: Reader,
    @UuidParam('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { fileName, size, etag, isPublic, open } = await this.downloads.get(reader, id);
    // Caches must ask each time, because pages may be put in another order.
    response.set({ etag, 'cache-control': isPublic ? 'private, no-cache' : PRIVATE });
    if (isNotModified(request, etag)) return void response.status(304).end();
    response.attachment(fileName).set({ 'content-type': CBZ_TYPE, 'content-length': String(size) });
    response.set('x-content-type-options', 'nosniff');
    if (request.method === 'HEAD') response.end();
    else await sendStream(response, open());
  }
}
