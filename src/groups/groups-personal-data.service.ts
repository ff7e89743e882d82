import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../personal-data/personal-data.js';

const GROUPS = `select g.id, g.name, g.permissions, g.early_access_days, m.created_at as member_since
  from group_members m join groups g on g.id = m.group_id where m.user_id = $1 order by g.name`;

/** The groups of a user. */
@Injectable()
export class GroupsPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'groups',
      tables: { group_members: { columns: { user_id: 'deleted' }, file: 'groups.json' } },
      export: (subject) => this.export(subject),
    });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    yield { name: 'groups/groups.json', rows: readRows(this.pool, GROUPS, [id]) };
  }
}
