import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AccountRecovery1797001000000 } from '../../migrations/1797001000000-account-recovery.js';
import { newDataSource } from '../../src/database/data-source.js';
import { createDatabase, type TestDatabase } from '../support/setup/database.js';

let database: TestDatabase;
let dataSource: DataSource;
beforeAll(async () => {
  database = await createDatabase();
  dataSource = await newDataSource(database.connection, { size: 2 }).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

it('the update keeps links of earlier versions and finds the last password sign-ins and issuers in their data', async () => {
  const runner = dataSource.createQueryRunner();
  const migration = new AccountRecovery1797001000000();
  await migration.down(runner);
  const [id, other] = [randomUUID(), randomUUID()];
  for (const [userId, username] of [
    [id, 'hana'],
    [other, 'rin'],
  ]) {
    const insert = `insert into users (id, username, email, fullname, created_at, updated_at)
      values ($1, $2::text, $2::text || '@example.org', $2::text, now(), now())`;
    await runner.query(insert, [userId, username]);
  }
  const signIns: [by: string | undefined, at: string][] = [
    ['password', '2026-01-01'],
    ['two-step', '2026-02-01'],
    ['passkey', '2026-03-01'],
    [undefined, '2026-04-01'],
  ];
  for (const [by, at] of signIns) {
    await runner.query(
      `insert into audit_events (at, action, succeeded, subject_id, details) values ($1, 'session.opened', true, $2, $3)`,
      [at, id, { by }],
    );
  }
  await runner.query(
    `insert into external_identities (id, user_id, issuer, subject, created_at, last_used_at)
      values ($1, $2, 'https://id.example.org', 'x', now(), now())`,
    [randomUUID(), other],
  );
  await runner.query(`insert into email_verifications (user_id, token_hash, expires_at) values ($1, 'x', now())`, [id]);
  await migration.up(runner);

  const all = (table: string): Promise<object[]> => runner.query(`select * from ${table}`) as Promise<object[]>;
  expect(await all('password_sign_ins')).toEqual([{ user_id: id, last_at: new Date('2026-02-01') }]);
  expect(await all('accepted_issuers')).toEqual([{ issuer: 'https://id.example.org' }]);
  expect(await all('email_verifications')).toMatchObject([{ user_id: id, email: null }]);

  await runner.query(`update email_verifications set email = 'pending@example.org'`);
  await migration.down(runner);
  expect(await all('email_verifications')).toEqual([]); // without its address, the link would verify another one
  await migration.up(runner);
  await runner.release();
});
