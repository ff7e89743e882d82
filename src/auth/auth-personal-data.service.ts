import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart, PersonalTable } from '../personal-data/personal-data.js';

const ofUser = (file: string | null): PersonalTable => ({ columns: { user_id: 'deleted' }, file });

const TABLES: Record<string, PersonalTable> = {
  sessions: ofUser('sessions.json'),
  known_devices: ofUser('devices.json'),
  passkeys: ofUser('passkeys.json'),
  passkey_challenges: ofUser(null),
  external_identities: ofUser('identities.json'),
  password_resets: ofUser('sign-in.json'),
  password_sign_ins: ofUser('sign-in.json'),
  method_removal_links: ofUser('sign-in.json'),
  two_factor: ofUser('sign-in.json'),
  two_factor_challenges: ofUser('sign-in.json'),
};

const LISTS = {
  sessions: `select id, created_at, last_used_at, expires_at, host(ip) as ip, user_agent, compat_system
    from sessions where user_id = $1 order by id`,
  devices: 'select name, last_seen_at from known_devices where user_id = $1 order by name',
  passkeys: `select id, name, credential_id, transports, is_synced, created_at, last_used_at
    from passkeys where user_id = $1 order by id`,
  identities: `select id, issuer, subject, created_at, last_used_at
    from external_identities where user_id = $1 order by id`,
};

const SIGN_IN = `select
  (select last_at from password_sign_ins where user_id = $1) as last_password_sign_in_at,
  (select max(coalesce(token_expires_at, expires_at)) from password_resets where user_id = $1) as password_reset_until,
  (select expires_at from method_removal_links where user_id = $1) as method_removal_link_until,
  (select max(expires_at) from two_factor_challenges where user_id = $1) as sign_in_waits_for_code_until,
  (select json_build_object('confirmed_at', confirmed_at, 'wrong_codes', wrong_codes, 'blocked_until', blocked_until,
      'recovery_codes_left', cardinality(recovery_hashes))
    from two_factor where user_id = $1) as two_factor`;

/** How a user signs in, and where. */
@Injectable()
export class AuthPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({ module: 'auth', tables: TABLES, export: (subject) => this.export(subject) });
  }

  private async *export({ id }: DataSubject): AsyncGenerator<ExportPart> {
    const { rows } = await this.pool.query<object>(SIGN_IN, [id]);
    yield { name: 'auth/sign-in.json', json: rows[0] };
    for (const [name, sql] of Object.entries(LISTS)) {
      yield { name: `auth/${name}.json`, rows: readRows(this.pool, sql, [id]) };
    }
  }
}
