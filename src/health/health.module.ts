import { Module } from '@nestjs/common';
import { BusModule } from '../bus/bus.module.js';
import { MailModule } from '../mail/mail.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { HealthController } from './health.controller.js';
import { HealthService } from './health.service.js';

@Module({
  imports: [BusModule, StorageModule, MailModule],
  controllers: [HealthController],
  providers: [HealthService],
})
export class HealthModule {}
