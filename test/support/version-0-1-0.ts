import { randomBytes, randomUUID } from 'node:crypto';
import bcrypt from 'bcrypt';
import { DataSource, type QueryRunner } from 'typeorm';
import { migrations } from '../../migrations/index.js';
import { NationalId1795277000000 } from '../../migrations/1795277000000-national-id.js';
import { newDataSource } from '../../src/database/data-source.js';
import { migrate } from '../../src/database/open-database.js';
import type { DatabaseConnection } from '../../src/config/database/database-connection.js';
import { pino } from 'pino';
import { PASSWORD } from './app.js';

const LAST = migrations.indexOf(NationalId1795277000000);
/** Those that a database of 0.1.0 lacks. */
export const LATER_MIGRATIONS = migrations.slice(LAST + 1);

export const IDS = { hana: randomUUID(), rin: randomUUID(), group: randomUUID(), avatar: randomUUID() };

/** Makes the schema of 0.1.0 in an empty database, with rows in each of its tables. */
export async function installVersion010(connection: DatabaseConnection): Promise<void> {
  const { options } = newDataSource(connection, { size: 2, statementTimeout: 0 });
  const dataSource = await new DataSource({ ...options, migrations: migrations.slice(0, LAST + 1) }).initialize();
  try {
    await migrate(dataSource, pino({ level: 'silent' }));
    const passwordHash = await bcrypt.hash(PASSWORD, 4);
    for (const [table, ...rows] of rowsOf(passwordHash)) {
      for (const row of rows) {
        const names = Object.keys(row);
        const places = names.map((_, i) => `$${i + 1}`).join(', ');
        const sql = `insert into ${table} (${names.join(', ')}) overriding system value values (${places})`;
        await dataSource.query(sql, Object.values(row));
      }
    }
    // One statement, because each row needs the other.
    await dataSource.query(
      `insert into contacts (participant_id, contact_id, created_at) values (1, 2, now()), (2, 1, now())`,
    );
    await dataSource.query('update users set avatar_id = $1 where id = $2', [IDS.avatar, IDS.hana]);
    for (const name of ['conversations', 'messages']) {
      await dataSource.query(`select setval(pg_get_serial_sequence('${name}', 'id'), 100)`);
    }
  } finally {
    await dataSource.destroy();
  }
}

type Row = Record<string, unknown>;

function rowsOf(password_hash: string): [table: string, ...rows: Row[]][] {
  const now = new Date(Date.now() - 3_600_000);
  const times = { created_at: now, updated_at: now };
  const later = new Date(Date.now() + 86_400_000);
  const user_id = IDS.hana;
  const bytes = (): Buffer => randomBytes(32);
  const bits = '01'.repeat(64);
  return [
    [
      'users',
      {
        id: IDS.hana,
        username: 'hana.sato',
        email: 'hana@example.org',
        email_verified_at: now,
        password_hash,
        fullname: 'Hana Sato',
        phone_number: '+4915112345678',
        address: 'Quay 3',
        birthday: '1990-02-28',
        nid: '1990123456789',
        ...times,
      },
      { id: IDS.rin, username: 'Rin', email: null, password_hash, fullname: 'Rin', ...times },
    ],
    ['groups', { id: IDS.group, name: 'Harbour', permissions: ['admin'], early_access_days: 3, ...times }],
    ['group_members', { group_id: IDS.group, user_id, created_at: now }],
    [
      'sessions',
      { id: randomUUID(), user_id, token_id: randomUUID(), issued_at: now, created_at: now, last_used_at: now },
    ],
    [
      'audit_events',
      { at: now, action: 'session.opened', succeeded: true, subject_id: user_id, details: { by: 'password' } },
      { at: new Date('2026-11-21'), action: 'user.created', succeeded: true, subject_id: user_id, details: {} },
    ],
    ['limits', { key: bytes(), count: 1, until: later, seen_at: now }],
    [
      'mails',
      {
        id: randomUUID(),
        kind: 'new_device',
        address_key: bytes(),
        sealed: bytes(),
        created_at: now,
        due_at: later,
        give_up_at: later,
      },
      {
        id: randomUUID(),
        kind: 'refresh_theft',
        address_key: bytes(),
        state: 'dropped',
        created_at: now,
        due_at: now,
        give_up_at: later,
        settled_at: now,
      },
    ],
    ['password_resets', { address_key: bytes(), user_id, code_hash: bytes(), tries_left: 3, expires_at: later }],
    ['email_verifications', { user_id, token_hash: bytes(), expires_at: later }],
    ['known_devices', { user_id, name: 'Firefox on Linux', last_seen_at: now }],
    [
      'external_identities',
      {
        id: randomUUID(),
        user_id,
        issuer: 'https://id.example.org',
        subject: 'h',
        created_at: now,
        last_used_at: now,
      },
    ],
    ['two_step', { user_id: IDS.rin, secret: bytes(), recovery_hashes: ['a', 'b'] }],
    ['two_step_challenges', { challenge_hash: bytes(), user_id: IDS.rin, expires_at: later }],
    [
      'passkeys',
      {
        id: randomUUID(),
        user_id,
        name: 'laptop',
        credential_id: 'c1',
        public_key: bytes(),
        counter: 3,
        is_synced: true,
        created_at: now,
      },
    ],
    ['passkey_challenges', { challenge: 'x', user_id, expires_at: later }],
    ['avatars', { id: IDS.avatar, user_id, state: 'approved', hash: bits, resembles_rejected: false, created_at: now }],
    ['rejected_pictures', { id: randomUUID(), hash: bits, created_at: now }],
    ['avatar_removals', { avatar_id: randomUUID() }],
    ['chat_nodes', { id: 1, seen_at: now }],
    ['presences', { participant_id: 1, node_id: 1 }],
    ['conversations', { id: 7, name: 'Quay', last_sequence: 2, revision: 4, created_at: now }],
    [
      'conversation_members',
      ...[1, 2].map((participant_id) => ({ conversation_id: 7, participant_id, created_at: now })),
    ],
    ['messages', ...messages(now)],
  ];
}

const messages = (sent_at: Date): Row[] => [
  { id: 11, conversation_id: 7, sequence: 1, revision: 3, sender_id: 1, nonce: randomUUID(), content: 'Tide', sent_at },
  {
    id: 12,
    conversation_id: 7,
    sequence: 2,
    revision: 4,
    sender_id: 2,
    reply_id: 11,
    nonce: randomUUID(),
    content: 'Ebb',
    sent_at,
  },
];

/** Runs a migration in a transaction, as Machi does. `beforeCommit` sees its locks. */
export async function runMigration(
  runner: QueryRunner,
  Migration: (typeof migrations)[number],
  direction: 'up' | 'down',
  beforeCommit: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const migration = new Migration();
  await runner.startTransaction();
  try {
    await migration[direction](runner);
    await beforeCommit();
    const timestamp = Number(/\d{13}$/.exec(migration.name)![0]);
    if (direction === 'up') {
      await runner.query('insert into migrations (timestamp, name) values ($1, $2)', [timestamp, migration.name]);
    } else await runner.query('delete from migrations where name = $1', [migration.name]);
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
}
