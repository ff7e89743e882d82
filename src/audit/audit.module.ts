import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEvent } from './audit-event.entity.js';
import { AuditController } from './audit.controller.js';
import { AuditPartitionsWorker } from './audit-partitions.worker.js';
import { AuditPersonalDataService } from './audit-personal-data.service.js';
import { AuditService } from './audit.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEvent])],
  controllers: [AuditController],
  providers: [AuditService, AuditPartitionsWorker, AuditPersonalDataService],
  exports: [AuditService],
})
export class AuditModule {}
