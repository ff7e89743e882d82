import { applyDecorators, Controller, Get, Header, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../../http/validation.js';
import { ApiProblems, SignedIn } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { toCsv } from '../reports/csv.js';
import { DaySheetDto, DaySheetQueryDto } from './day-sheets.dto.js';
import { DaySheetsService } from './day-sheets.service.js';

/** A route that sends a day sheet; `extension` is that of its file. */
const DaySheetRoute = (operationId: string, extension = ''): MethodDecorator =>
  applyDecorators(
    Get(`:id/day-sheet${extension}`),
    ApiOperation({ operationId }),
    Header('Cache-Control', 'no-store'),
    ApiProblems('vaccination_session_not_found', 'forbidden', 'rate_limited'),
  );

const SendsFile = (name: string, type: string, schema: object): MethodDecorator =>
  applyDecorators(
    Header('Content-Type', type),
    Header('Content-Disposition', `attachment; filename="${name}"`),
    ApiOkResponse({ description: 'The day sheet.', content: { [type.split(';')[0]!]: { schema } } }),
  );

/** Who is expected at a session, for the staff of its centre. Each read is written to the audit log, one entry per person. */
@ApiTags('vaccination')
@Controller('vaccination/sessions')
@SignedIn()
export class DaySheetsController {
  constructor(private readonly sheets: DaySheetsService) {}

  /** Returns who is expected at a session, and who came. */
  @DaySheetRoute('getDaySheet')
  get(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: DaySheetQueryDto,
  ): Promise<DaySheetDto> {
    return this.sheets.get(caller, id, query);
  }

  /** Returns the day sheet as CSV. */
  @DaySheetRoute('getDaySheetAsCsv', '.csv')
  @SendsFile('day-sheet.csv', 'text/csv; charset=utf-8', { type: 'string' })
  async getCsv(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: DaySheetQueryDto,
  ): Promise<string> {
    const { items } = await this.sheets.get(caller, id, query);
    return toCsv(
      COLUMNS,
      items.map((row) => ({ ...row, is_walk_in: row.is_walk_in ? 'yes' : 'no' })),
    );
  }

  /** Returns the day sheet as a PDF to print. */
  @DaySheetRoute('getDaySheetAsPdf', '.pdf')
  @SendsFile('day-sheet.pdf', 'application/pdf', { type: 'string', format: 'binary' })
  async getPdf(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Query() query: DaySheetQueryDto,
  ): Promise<StreamableFile> {
    const sheet = await this.sheets.get(caller, id, query);
    const { toDaySheetPdf } = await import('./day-sheet-pdf.js'); // 30 MB that most processes do not need
    return new StreamableFile(await toDaySheetPdf(sheet));
  }
}

const COLUMNS = [
  'number',
  'legal_name',
  'date_of_birth',
  'sex',
  'id_type',
  'id_number',
  'dose',
  'status',
  'is_walk_in',
  'checked_in_at',
  'given_at',
  'lot_number',
  'appointment_id',
  'registration_id',
];
