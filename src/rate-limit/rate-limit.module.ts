import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BackoffService } from './backoff.service.js';
import { QuotasService } from './quotas.service.js';
import { RateLimitCounter } from './rate-limit-counter.entity.js';
import { RateLimitCountersService } from './rate-limit-counters.service.js';

@Global()
@Module({
  imports: [TypeOrmModule.forFeature([RateLimitCounter])],
  providers: [RateLimitCountersService, BackoffService, QuotasService],
  exports: [BackoffService, QuotasService],
})
export class RateLimitModule {}
