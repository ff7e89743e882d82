import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { MailModule } from '../../mail/mail.module.js';
import { UsersModule } from '../../users/users.module.js';
import { SecurityMailsModule } from '../security-mails/security-mails.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ExpiredRemovalLinksWorker } from './expired-removal-links.worker.js';
import { MethodRemovalLink } from './method-removal-link.entity.js';
import { MethodRemovalLinksController } from './method-removal-links.controller.js';
import { MethodRemovalLinksService } from './method-removal-links.service.js';
import { RecoveredMethodsService } from './recovered-methods.service.js';
import { RecoveryService } from './recovery.service.js';

/** What a password reset by mail removes, and the link that removes the rest. */
@Module({
  imports: [
    TypeOrmModule.forFeature([MethodRemovalLink]),
    AuditModule,
    MailModule,
    SecurityMailsModule,
    SessionsModule,
    UsersModule,
  ],
  controllers: [MethodRemovalLinksController],
  providers: [RecoveryService, RecoveredMethodsService, MethodRemovalLinksService, ExpiredRemovalLinksWorker],
  exports: [RecoveryService, MethodRemovalLinksService],
})
export class RecoveryModule {}
