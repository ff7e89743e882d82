import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../personal-data/personal-data.js';
import { UsersService } from './users.service.js';

const ACCOUNT = `select id, username, fullname, email, email_verified_at, pending_email, phone_number, address, birthday,
    is_active, password_hash is not null as has_password, avatar_id, created_at, updated_at
  from users where id = $1`;

/** The account itself. */
@Injectable()
export class UsersPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    private readonly users: UsersService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'users',
      tables: { users: { columns: { id: 'deleted' }, file: 'account.json' } },
      export: (subject) => this.export(subject),
    });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    const { rows } = await this.pool.query<object>(ACCOUNT, [id]);
    const nid = await this.users.findNationalId(id);
    // In part: the archive lies in the storage, where no national id is in clear.
    yield { name: 'users/account.json', json: { ...rows[0], nid_last4: nid?.slice(-4) ?? null } };
  }
}
