import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, Public } from '../../permissions/access.decorators.js';
import { ReaderAuthenticatorService } from '../visibility/reader-authenticator.service.js';
import { sendImage, SendsImage } from '../../stored-images/image-response.js';
import { PageDeliveryService } from './page-delivery.service.js';
import { PageTokensService } from './page-tokens.service.js';
import { PageImageQueryDto } from './pages.dto.js';

/** The images of pages. */
@ApiTags('projects')
@Controller('pages')
export class PagesController {
  constructor(
    private readonly delivery: PageDeliveryService,
    private readonly tokens: PageTokensService,
    private readonly readers: ReaderAuthenticatorService,
  ) {}

  /** Sends the image of a page that the caller sees. `token` is in the addresses that `GET /api/chapters/{id}` returns. */
  @Get(':id/image')
  @ApiOperation({ operationId: 'getPageImage' })
  @Public()
  @SendsImage()
  @ApiProblems(
    'page_not_found',
    'range_not_satisfiable',
    'token_required',
    'invalid_token',
    'token_expired',
    'database_unavailable',
    'storage_unavailable',
  )
  async getImage(
    @UuidParam('id') id: string,
    @Query() { variant = 'reader', token }: PageImageQueryDto,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const image = await this.delivery.getImage(id, variant, (chapterId) =>
      token === undefined ? this.readers.authenticate(request) : this.tokens.findReader(token, chapterId),
    );
    await sendImage(request, response, image);
  }
}
