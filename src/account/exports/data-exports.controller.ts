import { Body, Controller, Delete, Get, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Config } from '../../config/config.js';
import { refToHeaders } from '../../http/openapi/response-headers.js';
import { publicPath } from '../../http/log/request-context.js';
import { NoHeadGuard } from '../../http/no-head.guard.js';
import { isForeignOrigin } from '../../http/origin.js';
import { Problem } from '../../http/problems/problem.js';
import { sendRepresentation } from '../../http/representation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { CreateDataExportDto, DataExportDto, toDataExportDto } from './data-exports.dto.js';
import { DataExportsService } from './data-exports.service.js';

const CURRENT = '/api/users/me/exports/current';
const FILE = `${CURRENT}/file`;
const ZIP = { content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } } } as const;
/** How long clients should wait before they ask for the progress. */
const RETRY_AFTER_SECONDS = '2';

/** A copy of everything that is stored about the caller. */
@ApiTags('users')
@Controller('users/me')
@SignedIn()
export class DataExportsController {
  constructor(
    private readonly exports: DataExportsService,
    private readonly config: Config,
  ) {}

  /**
   * Leads to the copy of the caller's data. Redirects to the file when it is ready, and returns the progress before that.
   * Requests the copy if there is none: this needs a sign-in within the last ten minutes. `POST /api/users/me/exports` takes the
   * password instead. Answers `wrong_password` if the session or the password has changed at the same moment.
   */
  @Get('export')
  @UseGuards(NoHeadGuard)
  @ApiOperation({ operationId: 'exportMe' })
  @ApiResponse({ status: 303, description: 'The file is ready.', headers: refToHeaders('Location') })
  @ApiAcceptedResponse({ type: DataExportDto, headers: refToHeaders('Location', 'Retry-After') })
  @ApiProblems('foreign_origin', 'sign_in_again', 'wrong_password', 'rate_limited')
  async export(@CurrentUser() caller: Caller, @Req() request: Request, @Res() response: Response): Promise<void> {
    // A change, although it is a GET, and a cookie may authenticate it.
    if (isForeignOrigin(request, this.config)) throw new Problem('foreign_origin');
    const found = await this.exports.getOrCreate(caller);
    response.set('cache-control', 'private, no-store');
    if (found.state === 'ready') return void response.status(303).location(publicPath(FILE)).end();
    response.location(publicPath(CURRENT)).set('retry-after', RETRY_AFTER_SECONDS);
    response.status(202).json(toDataExportDto(found));
  }

  /** Requests a copy of everything that is stored about the caller. One at a time; a new one replaces the last. */
  @Post('exports')
  @ApiOperation({ operationId: 'createDataExport' })
  @HttpCode(202)
  @ApiAcceptedResponse({ type: DataExportDto, headers: refToHeaders('Location', 'Retry-After') })
  @ApiProblems('wrong_password', 'sign_in_again', 'rate_limited', 'busy')
  async create(
    @CurrentUser() caller: Caller,
    @Body() { current_password }: CreateDataExportDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<DataExportDto> {
    const created = await this.exports.create(caller, current_password);
    response.location(publicPath(CURRENT)).set('retry-after', RETRY_AFTER_SECONDS);
    return toDataExportDto(created);
  }

  /** Returns the copy that was requested last, and how far it is. */
  @Get('exports/current')
  @ApiOperation({ operationId: 'getDataExport' })
  @ApiProblems('data_export_not_found')
  async get(@CurrentUser() caller: Caller): Promise<DataExportDto> {
    return toDataExportDto(await this.exports.get(caller));
  }

  /** Sends the copy as a zip archive, to the session that requested it or within ten minutes after signing in. */
  @Get('exports/current/file')
  @ApiOperation({ operationId: 'downloadDataExport' })
  @ApiOkResponse(ZIP)
  @ApiResponse({ status: 206, description: 'The requested range.', ...ZIP })
  @ApiResponse({ status: 304, description: 'Not modified.' })
  @ApiProblems(
    'data_export_not_found',
    'data_export_not_ready',
    'sign_in_again',
    'range_not_satisfiable',
    'storage_unavailable',
  )
  async getFile(@CurrentUser() caller: Caller, @Req() request: Request, @Res() response: Response): Promise<void> {
    const file = await this.exports.getFile(caller);
    const headers = {
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename="machi-${file.createdAt.toISOString().slice(0, 10)}.zip"`,
      'cache-control': 'private, no-store',
      'x-content-type-options': 'nosniff',
    };
    await sendRepresentation(request, response, { headers, etag: `"${file.id}"`, read: () => Promise.resolve(file) });
  }

  /** Deletes the copy, or stops making it. */
  @Delete('exports/current')
  @ApiOperation({ operationId: 'deleteDataExport' })
  @HttpCode(204)
  @ApiProblems('data_export_not_found')
  remove(@CurrentUser() caller: Caller): Promise<void> {
    return this.exports.remove(caller);
  }
}
