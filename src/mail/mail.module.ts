import { Module } from '@nestjs/common';
import { MailPersonalDataService } from './mail-personal-data.service.js';
import { MailWorker } from './mail.worker.js';
import { MailsService } from './mails.service.js';

@Module({ providers: [MailsService, MailWorker, MailPersonalDataService], exports: [MailsService, MailWorker] })
export class MailModule {}
