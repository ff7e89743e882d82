import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../database/connections/pool.js';
import { readRows } from '../../database/statements/read-rows.js';
import type { DataSubject, ExportPart } from '../../personal-data/personal-data.js';
import { PersonalDataRegistryService } from '../../personal-data/personal-data-registry.service.js';

/** Without keys and paths of endpoints, with which pushes can be sent. */
const SUBSCRIPTIONS = `select id, split_part(endpoint, '/', 3) as service, created_at from push_subscriptions
  where user_id = $1 order by id`;

/** The browsers in which a user has turned pushes on. */
@Injectable()
export class PushPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'push',
      tables: {
        push_subscriptions: { columns: { user_id: 'deleted', session_id: 'deleted' }, file: 'subscriptions.json' },
      },
      export: (subject) => this.export(subject),
    });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    yield { name: 'push/subscriptions.json', rows: readRows(this.pool, SUBSCRIPTIONS, [id]) };
  }
}
