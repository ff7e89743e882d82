import { applyDecorators, Controller, Get, Header, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequirePermissions } from '../../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../../users/caller.js';
import { AdverseEventReportsService } from './adverse-event-reports.service.js';
import { AnomaliesService } from './anomalies.service.js';
import { barChart } from './bar-chart.js';
import { CoverageService } from './coverage.service.js';
import { toCsv } from './csv.js';
import { NoShowsService } from './no-shows.service.js';
import type { Period } from './report-period.js';
import {
  AdverseEventsReportDto,
  AdverseEventsReportQueryDto,
  AnomaliesQueryDto,
  AnomaliesReportDto,
  ANOMALY_KINDS,
  CoverageQueryDto,
  CoverageReportDto,
  NoShowsQueryDto,
  NoShowsReportDto,
  type ReportGroupDto,
  UtilisationQueryDto,
  UtilisationReportDto,
} from './reports.dto.js';
import { SendsCsv } from './sends-csv.decorator.js';
import { UtilisationService } from './utilisation.service.js';

const SendsSvg = (): MethodDecorator =>
  applyDecorators(
    Header('Content-Type', 'image/svg+xml'),
    ApiOkResponse({ description: 'A chart.', content: { 'image/svg+xml': { schema: { type: 'string' } } } }),
  );

/** Reports on vaccination drives, each as JSON, CSV and chart. */
@ApiTags('vaccination')
@Controller('vaccination/reports')
@RequirePermissions('view_vaccine_reports')
export class ReportsController {
  constructor(
    private readonly coverage: CoverageService,
    private readonly utilisation: UtilisationService,
    private readonly noShows: NoShowsService,
    private readonly anomalies: AnomaliesService,
    private readonly adverseEvents: AdverseEventReportsService,
  ) {}

  /** Counts the given doses. Only days that are over are counted. */
  @Get('coverage')
  @ApiOperation({ operationId: 'getCoverageReport' })
  getCoverage(@Query() query: CoverageQueryDto): Promise<CoverageReportDto> {
    return this.coverage.get(query);
  }

  /** Returns the coverage report as CSV. */
  @Get('coverage.csv')
  @ApiOperation({ operationId: 'getCoverageReportAsCsv' })
  @SendsCsv('coverage')
  async getCoverageCsv(@Query() query: CoverageQueryDto): Promise<string> {
    const { items } = await this.coverage.get(query);
    return toCsv([...query.by, 'doses'], items);
  }

  /** Returns the coverage report as a chart. */
  @Get('coverage.svg')
  @ApiOperation({ operationId: 'getCoverageChart' })
  @SendsSvg()
  async getCoverageChart(@Query() query: CoverageQueryDto): Promise<string> {
    const report = await this.coverage.get(query);
    const bars = report.items.map((item) => ({ label: labelOf(report.by, item), value: item.doses }));
    return barChart({ title: `Doses given, ${describe(report)}`, bars });
  }

  /** Compares the booked places with the capacity of the sessions. */
  @Get('utilisation')
  @ApiOperation({ operationId: 'getUtilisationReport' })
  getUtilisation(@Query() query: UtilisationQueryDto): Promise<UtilisationReportDto> {
    return this.utilisation.get(query);
  }

  /** Returns the report on the use of capacity as CSV. */
  @Get('utilisation.csv')
  @ApiOperation({ operationId: 'getUtilisationReportAsCsv' })
  @SendsCsv('utilisation')
  async getUtilisationCsv(@Query() query: UtilisationQueryDto): Promise<string> {
    const { items } = await this.utilisation.get(query);
    return toCsv([...query.by, 'sessions', 'capacity', 'booked', 'use'], items);
  }

  /** Returns the report on the use of capacity as a chart. */
  @Get('utilisation.svg')
  @ApiOperation({ operationId: 'getUtilisationChart' })
  @SendsSvg()
  async getUtilisationChart(@Query() query: UtilisationQueryDto): Promise<string> {
    const report = await this.utilisation.get(query);
    const bars = report.items.map((item) => ({ label: labelOf(report.by, item), value: item.use }));
    return barChart({ title: `Use of capacity, ${describe(report)}`, bars, format: percent });
  }

  /** Counts the appointments that were missed. Only weeks that are over are counted. */
  @Get('no-shows')
  @ApiOperation({ operationId: 'getNoShowsReport' })
  getNoShows(@Query() query: NoShowsQueryDto): Promise<NoShowsReportDto> {
    return this.noShows.get(query);
  }

  /** Returns the report on missed appointments as CSV. */
  @Get('no-shows.csv')
  @ApiOperation({ operationId: 'getNoShowsReportAsCsv' })
  @SendsCsv('no-shows')
  async getNoShowsCsv(@Query() query: NoShowsQueryDto): Promise<string> {
    const { items } = await this.noShows.get(query);
    return toCsv([...query.by, 'expected', 'no_shows', 'rate'], items);
  }

  /** Returns the report on missed appointments as a chart. */
  @Get('no-shows.svg')
  @ApiOperation({ operationId: 'getNoShowsChart' })
  @SendsSvg()
  async getNoShowsChart(@Query() query: NoShowsQueryDto): Promise<string> {
    const report = await this.noShows.get(query);
    const bars = report.items.map((item) => ({ label: labelOf(report.by, item), value: item.rate }));
    return barChart({ title: `Missed appointments, ${describe(report)}`, bars, format: percent });
  }

  /** Counts the adverse events after doses. Only months that are over are counted. */
  @Get('adverse-events')
  @ApiOperation({ operationId: 'getAdverseEventsReport' })
  getAdverseEvents(@Query() query: AdverseEventsReportQueryDto): Promise<AdverseEventsReportDto> {
    return this.adverseEvents.get(query);
  }

  /** Returns the report on adverse events as CSV. */
  @Get('adverse-events.csv')
  @ApiOperation({ operationId: 'getAdverseEventsReportAsCsv' })
  @SendsCsv('adverse-events')
  async getAdverseEventsCsv(@Query() query: AdverseEventsReportQueryDto): Promise<string> {
    const { items } = await this.adverseEvents.get(query);
    return toCsv(
      [...query.by, 'events'],
      items.map((item) => ({ ...item, serious: item.serious ? 'yes' : 'no' })),
    );
  }

  /** Returns the report on adverse events as a chart. */
  @Get('adverse-events.svg')
  @ApiOperation({ operationId: 'getAdverseEventsChart' })
  @SendsSvg()
  async getAdverseEventsChart(@Query() query: AdverseEventsReportQueryDto): Promise<string> {
    const report = await this.adverseEvents.get(query);
    const bars = report.items.map((item) => ({ label: labelOf(report.by, item), value: item.events }));
    return barChart({ title: `Adverse events, ${describe(report)}`, bars });
  }

  /** Returns the records of doses that are probably wrong. They name no person. */
  @Get('anomalies')
  @ApiOperation({ operationId: 'getAnomaliesReport' })
  getAnomalies(@CurrentUser() caller: Caller, @Query() query: AnomaliesQueryDto): Promise<AnomaliesReportDto> {
    return this.anomalies.get(caller, query);
  }

  /** Returns the report on anomalies as CSV. */
  @Get('anomalies.csv')
  @ApiOperation({ operationId: 'getAnomaliesReportAsCsv' })
  @SendsCsv('anomalies')
  async getAnomaliesCsv(@CurrentUser() caller: Caller, @Query() query: AnomaliesQueryDto): Promise<string> {
    const { items } = await this.anomalies.get(caller, query);
    return toCsv(['kind', 'at', 'day', 'centre', 'vaccine', 'lot', 'vaccinator_id', 'dose_ids', 'value'], items);
  }

  /** Returns the number of anomalies of each kind as a chart. */
  @Get('anomalies.svg')
  @ApiOperation({ operationId: 'getAnomaliesChart' })
  @SendsSvg()
  async getAnomaliesChart(@CurrentUser() caller: Caller, @Query() query: AnomaliesQueryDto): Promise<string> {
    const report = await this.anomalies.get(caller, query);
    const bars = ANOMALY_KINDS.map((kind) => ({
      label: kind,
      value: report.items.filter((item) => item.kind === kind).length,
    }));
    return barChart({ title: `Anomalies, ${describe(report)}`, bars });
  }
}

const describe = ({ from, to }: Period): string => `${from} to ${to}`;

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

/** The values of the groups, such as `DHK-07 · dose 1`. */
const labelOf = (by: string[], item: ReportGroupDto): string =>
  by
    .map((group) => {
      const value = item[group as keyof ReportGroupDto];
      if (group === 'serious') return value ? 'serious' : 'not serious';
      return group === 'dose' ? `dose ${value ?? 'any'}` : String(value);
    })
    .join(' · ');
