import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/audit.module.js';
import { AdverseEventReportsService } from './adverse-event-reports.service.js';
import { AnomaliesService } from './anomalies.service.js';
import { CoverageService } from './coverage.service.js';
import { NoShowsService } from './no-shows.service.js';
import { ReportsController } from './reports.controller.js';
import { UtilisationService } from './utilisation.service.js';

/** Reports on the doses, sessions and appointments of vaccination drives. */
@Module({
  imports: [AuditModule],
  controllers: [ReportsController],
  providers: [CoverageService, UtilisationService, NoShowsService, AnomaliesService, AdverseEventReportsService],
})
export class ReportsModule {}
