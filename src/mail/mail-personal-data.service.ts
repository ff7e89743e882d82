import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../personal-data/personal-data.js';
import { MailsService } from './mails.service.js';

/** The outbox, by the addresses of a user. */
@Injectable()
export class MailPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    private readonly mails: MailsService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'mail',
      tables: { mails: { columns: { address_key: 'kept' }, file: 'outbox.json' } },
      export: (subject) => this.export(subject),
      erase: (manager, { addresses }) => this.mails.discard(manager, addresses),
    });
  }

  private async *export({ addresses }: DataSubject): AsyncGenerator<ExportPart> {
    yield { name: 'mail/outbox.json', rows: this.mails.readAbout(this.pool, addresses) };
  }
}
