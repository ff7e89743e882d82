import { Module } from '@nestjs/common';
import { MailWorker } from './mail.worker.js';
import { MailsService } from './mails.service.js';

@Module({ providers: [MailsService, MailWorker], exports: [MailsService, MailWorker] })
export class MailModule {}
