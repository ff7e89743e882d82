import { Global, Module } from '@nestjs/common';
import { Clock } from './clock.provider.js';

@Global()
@Module({ providers: [Clock], exports: [Clock] })
export class ClockModule {}
