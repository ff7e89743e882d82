import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Gives a state and a kind of mail, and triggers, the terms that the code uses. */
export class MailAndTriggerNames1796001007000 implements MigrationInterface {
  name = 'MailAndTriggerNames1796001007000';

  async up(runner: QueryRunner): Promise<void> {
    await renameMailValues(runner, VALUES);
    for (const [table, from, to] of TRIGGERS) await runner.query(`alter trigger ${from} on ${table} rename to ${to}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [table, from, to] of TRIGGERS) await runner.query(`alter trigger ${to} on ${table} rename to ${from}`);
    await renameMailValues(
      runner,
      VALUES.map(({ column, from, to }) => ({ column, from: to, to: from })),
    );
  }
}

interface Renaming {
  column: 'state' | 'kind';
  from: string;
  to: string;
}

const VALUES: Renaming[] = [
  { column: 'state', from: 'dropped', to: 'discarded' },
  { column: 'kind', from: 'refresh_theft', to: 'refresh_reuse' },
];

const TRIGGERS = [
  ['users', 'end_sessions_of_readdressed', 'end_sessions_of_changed_email'],
  ['users', 'unverify_readdressed', 'unverify_changed_email'],
] as const;

async function renameMailValues(runner: QueryRunner, values: Renaming[]): Promise<void> {
  await runner.query('alter table mails drop constraint mails_state_check');
  for (const { column, from, to } of values) {
    await runner.query(`update mails set ${column} = $2 where ${column} = $1`, [from, to]);
  }
  const { to: discarded } = values.find(({ column }) => column === 'state')!;
  await runner.query(`alter table mails add constraint mails_state_check check (
    state in ('queued', 'sent', 'failed', '${discarded}')
    and (state = 'queued') = (encrypted_content is not null) and (state = 'queued') = (settled_at is null)
  )`);
}
