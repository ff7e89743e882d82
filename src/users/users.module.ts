import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { MailModule } from '../mail/mail.module.js';
import { EmailVerificationsController } from './email-verifications.controller.js';
import { EmailVerifications } from './email-verifications.service.js';
import { Passwords } from './passwords.js';
import { Reauthentication } from './reauthentication.js';
import { User } from './user.entity.js';
import { UsersController } from './users.controller.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([User]), AuditModule, MailModule],
  controllers: [UsersController, EmailVerificationsController],
  providers: [UsersService, Passwords, Reauthentication, EmailVerifications],
  exports: [UsersService, Passwords, Reauthentication],
})
export class UsersModule {}
