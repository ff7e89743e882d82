import { applyDecorators, Body, Controller, Get, HttpCode, Post, Query, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AcceptsBody } from '../../http/bodies/body.guard.js';
import { CsvInterceptor } from '../../http/bodies/csv.interceptor.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { ApiProblems, RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { SendsCsv } from '../reports/sends-csv.decorator.js';
import { CentreImportsService } from './centre-imports.service.js';
import { ExportQueryDto, ImportQueryDto, ImportReportDto } from './imports.dto.js';
import { ImportsService } from './imports.service.js';
import { LotImportsService } from './lot-imports.service.js';
import { SessionImportsService } from './session-imports.service.js';
import { StaffImportsService } from './staff-imports.service.js';
import { TableExportsService } from './table-exports.service.js';

/**
 * Documents a route that imports a table. `problems`: when another request has just added a row of it, or deleted the user of
 * one.
 */
const ImportsCsv = (example: string, ...problems: ProblemCode[]): MethodDecorator =>
  applyDecorators(
    AcceptsBody('any'),
    UseInterceptors(CsvInterceptor),
    ApiConsumes('text/csv'),
    ApiBody({ schema: { type: 'string', example }, required: true }),
    ApiProblems('table_too_large', 'import_refused', 'busy', ...problems),
  );

/** Reads tables of a drive from CSV, and writes them. An import adds and changes rows, all or none, and removes none. */
@ApiTags('vaccination')
@Controller('vaccination')
@RequirePermissions('manage_vaccines')
export class ImportsController {
  constructor(
    private readonly imports: ImportsService,
    private readonly centres: CentreImportsService,
    private readonly staff: StaffImportsService,
    private readonly lots: LotImportsService,
    private readonly sessions: SessionImportsService,
    private readonly tables: TableExportsService,
  ) {}

  /** Imports centres, which their `code` names. `time_zone` and `status` may be left out. */
  @Post('imports/centres')
  @ApiOperation({ operationId: 'importCentres' })
  @HttpCode(200)
  @ImportsCsv(
    'code,name,address,district,latitude,longitude\nDHK-03,Test Centre,Road 7,Dhaka,23.7461,90.3742\n',
    'centre_code_taken',
  )
  importCentres(
    @CurrentUser() caller: Caller,
    @Query() { dry_run }: ImportQueryDto,
    @Body() table: Buffer,
  ): Promise<ImportReportDto> {
    return this.imports.run(this.centres, caller, table, dry_run);
  }

  /** Imports roles at centres, which the code of the centre and the username name. */
  @Post('imports/staff')
  @ApiOperation({ operationId: 'importCentreStaff' })
  @HttpCode(200)
  @ImportsCsv('centre,username,role\nDHK-03,hana,vaccinator\n', 'user_not_found')
  importStaff(
    @CurrentUser() caller: Caller,
    @Query() { dry_run }: ImportQueryDto,
    @Body() table: Buffer,
  ): Promise<ImportReportDto> {
    return this.imports.run(this.staff, caller, table, dry_run);
  }

  /** Imports lots, which the codes of centre and vaccine and their number name. */
  @Post('imports/lots')
  @ApiOperation({ operationId: 'importLots' })
  @HttpCode(200)
  @ImportsCsv('centre,vaccine,number,expires_on,received\nDHK-03,CVX-208,FA4598,2027-03-31,600\n', 'lot_exists')
  importLots(
    @CurrentUser() caller: Caller,
    @Query() { dry_run }: ImportQueryDto,
    @Body() table: Buffer,
  ): Promise<ImportReportDto> {
    return this.imports.run(this.lots, caller, table, dry_run);
  }

  /**
   * Imports sessions, which the codes of centre and vaccine, the dose and the start name. Times without an offset are those of the
   * centre. With `open` as `status`, drafts are opened.
   */
  @Post('imports/sessions')
  @ApiOperation({ operationId: 'importVaccinationSessions' })
  @HttpCode(200)
  @ImportsCsv(
    'centre,vaccine,dose,starts_at,ends_at,opens_at,capacity\nDHK-03,CVX-208,1,2027-01-18 09:00,2027-01-18 12:00,2027-01-04 09:00,120\n',
  )
  importSessions(
    @CurrentUser() caller: Caller,
    @Query() { dry_run }: ImportQueryDto,
    @Body() table: Buffer,
  ): Promise<ImportReportDto> {
    return this.imports.run(this.sessions, caller, table, dry_run);
  }

  /** Returns the centres as an import reads them, at most 5,000. */
  @Get('exports/centres.csv')
  @ApiOperation({ operationId: 'exportCentres' })
  @SendsCsv('centres')
  exportCentres(@Query() query: ExportQueryDto): Promise<string> {
    return this.tables.exportCentres(query, Object.keys(this.centres.columns));
  }

  /** Returns the staff of the centres as an import reads it, at most 5,000 roles. */
  @Get('exports/staff.csv')
  @ApiOperation({ operationId: 'exportCentreStaff' })
  @SendsCsv('staff')
  exportStaff(@Query() query: ExportQueryDto): Promise<string> {
    return this.tables.exportStaff(query, Object.keys(this.staff.columns));
  }

  /** Returns the lots as an import reads them, at most 5,000. */
  @Get('exports/lots.csv')
  @ApiOperation({ operationId: 'exportLots' })
  @SendsCsv('lots')
  exportLots(@Query() query: ExportQueryDto): Promise<string> {
    return this.tables.exportLots(query, Object.keys(this.lots.columns));
  }

  /** Returns drafts and open sessions as an import reads them, at most 5,000. */
  @Get('exports/sessions.csv')
  @ApiOperation({ operationId: 'exportVaccinationSessions' })
  @SendsCsv('sessions')
  exportSessions(@Query() query: ExportQueryDto): Promise<string> {
    return this.tables.exportSessions(query, Object.keys(this.sessions.columns));
  }
}
