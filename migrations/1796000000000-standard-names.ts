import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Gives tables, columns, functions and outcome codes the terms that the code uses. No data changes. */
export class StandardNames1796000000000 implements MigrationInterface {
  name = 'StandardNames1796000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [object, from, to] of RENAMES) await runner.query(`alter ${object} ${from} rename to ${to}`);
    for (const [table, from, to] of CONSTRAINTS) await runner.query(renameConstraint(table, from, to));
    for (const [from, to] of COLUMNS) await runner.query(`alter table mails rename ${from} to ${to}`);
    for (const [table, from, to] of TRIGGERS) await runner.query(`alter trigger ${from} on ${table} rename to ${to}`);
    await replaceOutcomes(runner, OUTCOMES);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceOutcomes(
      runner,
      OUTCOMES.map(([from, to]) => [to, from]),
    );
    for (const [table, from, to] of TRIGGERS) await runner.query(`alter trigger ${to} on ${table} rename to ${from}`);
    for (const [from, to] of COLUMNS) await runner.query(`alter table mails rename ${to} to ${from}`);
    for (const [table, from, to] of CONSTRAINTS) await runner.query(renameConstraint(table, to, from));
    for (const [object, from, to] of RENAMES.toReversed())
      await runner.query(`alter ${object} ${to} rename to ${from}`);
  }
}

const RENAMES = [
  ['table', 'two_step', 'two_factor'],
  ['table', 'two_step_challenges', 'two_factor_challenges'],
  ['index', 'two_step_challenges_user_id_idx', 'two_factor_challenges_user_id_idx'],
  ['index', 'two_step_challenges_expires_at_idx', 'two_factor_challenges_expires_at_idx'],
  ['table', 'limits', 'rate_limit_counters'],
  ['table', 'rejected_pictures', 'rejected_images'],
  ['function', 'bury_participant', 'clear_deleted_participant'],
  ['function', 'tell_session_ended', 'notify_session_ended'],
] as const;

/** By their tables' new names. */
const CONSTRAINTS = [
  ['two_factor', 'two_step_pkey', 'two_factor_pkey'],
  ['two_factor', 'two_step_user_id_fkey', 'two_factor_user_id_fkey'],
  ['two_factor_challenges', 'two_step_challenges_pkey', 'two_factor_challenges_pkey'],
  ['two_factor_challenges', 'two_step_challenges_user_id_fkey', 'two_factor_challenges_user_id_fkey'],
  ['rate_limit_counters', 'limits_pkey', 'rate_limit_counters_pkey'],
  ['rejected_images', 'rejected_pictures_pkey', 'rejected_images_pkey'],
  ['rejected_images', 'rejected_pictures_hash_check', 'rejected_images_hash_check'],
] as const;

const renameConstraint = (table: string, from: string, to: string): string =>
  `alter table ${table} rename constraint ${from} to ${to}`;

const COLUMNS = [
  ['sealed', 'encrypted_content'],
  ['give_up_at', 'expires_at'],
] as const;

const TRIGGERS = [
  ['participants', 'bury_participant_of_deleted', 'clear_deleted_participant'],
  ['sessions', 'tell_session_ended', 'notify_session_ended'],
] as const;

/** What `append_messages` answers about a message that it did not store. */
const OUTCOMES: [from: string, to: string][] = [
  ['again', 'duplicate'],
  ['other', 'conflict'],
  ['unknown', 'not_a_member'],
  ['no reply', 'reply_not_found'],
];

async function replaceOutcomes(runner: QueryRunner, outcomes: [from: string, to: string][]): Promise<void> {
  const [{ definition }] = (await runner.query(
    `select pg_get_functiondef('append_messages'::regproc) as definition`,
  )) as [{ definition: string }];
  await runner.query(outcomes.reduce((text, [from, to]) => text.replaceAll(`'${from}'`, `'${to}'`), definition));
}
