import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from '../auth/auth.module.js';
import { IdentitiesModule } from '../identities/identities.module.js';
import { RecoveryModule } from '../recovery/recovery.module.js';
import { User } from '../users/user.entity.js';
import { UsersModule } from '../users/users.module.js';
import { ChatappController } from './chatapp.controller.js';
import { ChatappService } from './chatapp.service.js';
import { RegistrationController } from './registration.controller.js';
import { RegistrationService } from './registration.service.js';
import { TmtarController } from './tmtar.controller.js';
import { TmtarService } from './tmtar.service.js';

/** The documented routes of the systems that Machi replaces, translated onto its own; `COMPAT=off` closes them. */
@Module({
  imports: [TypeOrmModule.forFeature([User]), AuthModule, IdentitiesModule, RecoveryModule, UsersModule],
  controllers: [ChatappController, RegistrationController, TmtarController],
  providers: [ChatappService, RegistrationService, TmtarService],
})
export class CompatModule {}
