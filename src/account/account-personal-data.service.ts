import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../personal-data/personal-data.js';

const LISTS = {
  'email-verifications': `select email, expires_at from email_verifications where user_id = $1`,
  exports: `select id, session_id, state, created_at, expires_at from data_exports where user_id = $1`,
};

/** Links that verify an address, and exports like this one. */
@Injectable()
export class AccountPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'account',
      tables: {
        email_verifications: { columns: { user_id: 'deleted' }, file: 'email-verifications.json' },
        data_exports: { columns: { user_id: 'unlinked', session_id: 'kept' }, file: 'exports.json' },
      },
      export: (subject) => this.export(subject),
    });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    for (const [name, sql] of Object.entries(LISTS)) {
      yield { name: `account/${name}.json`, rows: readRows(this.pool, sql, [id]) };
    }
  }
}
