import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { UsersModule } from '../users/users.module.js';
import { ChatappController } from './chatapp.controller.js';
import { ChatappService } from './chatapp.service.js';

/** The documented routes of the systems that Machi replaces, translated onto its own; `COMPAT=off` closes them. */
@Module({
  imports: [AuthModule, UsersModule],
  controllers: [ChatappController],
  providers: [ChatappService],
})
export class CompatModule {}
