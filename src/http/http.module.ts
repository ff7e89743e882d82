import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { BodyGuard } from './bodies/body.guard.js';

/** Guards that apply to all routes. */
@Module({ providers: [{ provide: APP_GUARD, useClass: BodyGuard }] })
export class HttpModule {}
