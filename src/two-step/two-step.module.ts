import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { UsersModule } from '../users/users.module.js';
import { TwoStepSignIn } from './two-step-sign-in.js';
import { TwoStep } from './two-step.entity.js';
import { TwoStepController } from './two-step.controller.js';
import { TwoStepService } from './two-step.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([TwoStep]), AuditModule, UsersModule],
  controllers: [TwoStepController],
  providers: [TwoStepService, TwoStepSignIn],
  exports: [TwoStepService, TwoStepSignIn],
})
export class TwoStepModule {}
