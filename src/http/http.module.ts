import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { MultipartGuard } from './multipart.guard.js';

/** Guards that apply to all routes. */
@Module({ providers: [{ provide: APP_GUARD, useClass: MultipartGuard }] })
export class HttpModule {}
