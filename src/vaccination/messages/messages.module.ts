import { Module } from '@nestjs/common';
import { MailModule } from '../../mail/mail.module.js';
import { NoticesWorker } from './notices.worker.js';
import { RemindersService } from './reminders.service.js';
import { VaccinationMessagesService } from './vaccination-messages.service.js';

/** Mails and SMS about appointments and doses. */
@Module({
  imports: [MailModule],
  providers: [VaccinationMessagesService, RemindersService, NoticesWorker],
})
export class MessagesModule {}
