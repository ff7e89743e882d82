import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { MailModule } from '../mail/mail.module.js';
import { EmailVerificationsController } from '../account/email-verifications.controller.js';
import { EmailVerificationsService } from '../account/email-verifications.service.js';
import { PasswordsService } from '../auth/passwords/passwords.service.js';
import { ReauthenticationService } from '../auth/reauthentication.service.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([User]), AuditModule, MailModule],
  controllers: [EmailVerificationsController],
  providers: [UsersService, PasswordsService, ReauthenticationService, EmailVerificationsService],
  exports: [UsersService, PasswordsService, ReauthenticationService],
})
export class UsersModule {}
