import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { BodyGuard } from './bodies/body.guard.js';
import { MetricsServerService } from './metrics/metrics-server.service.js';

/** Guards that apply to all routes, and the port of the metrics. */
@Module({ providers: [{ provide: APP_GUARD, useClass: BodyGuard }, MetricsServerService] })
export class HttpModule {}
