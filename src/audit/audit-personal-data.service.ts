import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../personal-data/personal-data.js';

/** Addresses of others are left out. */
const EVENTS = `select id, at, action, succeeded, actor_id, subject_id, session_id,
    case when actor_id = $1 then host(ip) end as ip, details
  from audit_events where actor_id = $1 or subject_id = $1 order by id`;

/** The audit events by and about a user. They outlive the account: see docs/decisions/audit-retention.md. */
@Injectable()
export class AuditPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    const columns = { actor_id: 'kept', subject_id: 'kept', session_id: 'kept', ip: 'kept' } as const;
    this.registry.register({
      module: 'audit',
      tables: { audit_events: { columns, file: 'events.json' } },
      export: (subject) => this.export(subject),
    });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    yield { name: 'audit/events.json', rows: readRows(this.pool, EVENTS, [id]) };
  }
}
