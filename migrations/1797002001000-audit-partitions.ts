import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Partitions `audit_events` by month, so that old events can be dropped without deleting rows. Keeps all rows in place. */
export class AuditPartitions1797002001000 implements MigrationInterface {
  name = 'AuditPartitions1797002001000';

  async up(runner: QueryRunner): Promise<void> {
    const [sequence] = (await runner.query(`select last_value, is_called from audit_events_id_seq`)) as Sequence[];
    const [{ start, is_empty }] = (await runner.query(FIRST_MONTH)) as [{ start: Date; is_empty: boolean }];
    for (const statement of UP) await runner.query(statement);
    await runner.query(`select setval('audit_events_id_seq', $1, $2)`, [sequence!.last_value, sequence!.is_called]);
    const first = is_empty ? await this.dropInitial(runner) : await this.attachInitial(runner, start);
    for (let month = first; month < first + MONTHS_AHEAD; month++) await this.createPartition(runner, start, month);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }

  private async dropInitial(runner: QueryRunner): Promise<number> {
    await runner.query('drop table audit_events_initial');
    return -1; // with the current month
  }

  /** The table of earlier versions becomes the first partition, without copying a row. */
  private async attachInitial(runner: QueryRunner, until: Date): Promise<number> {
    await runner.query(
      `alter table audit_events attach partition audit_events_initial
        for values from (minvalue) to ('${until.toISOString()}')`,
    );
    await runner.query(truncateTrigger('audit_events_initial'));
    return 0;
  }

  private async createPartition(runner: QueryRunner, start: Date, offset: number): Promise<void> {
    const [from, until] = [offset, offset + 1].map((month) => {
      return new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + month));
    }) as [Date, Date];
    const name = `audit_events_${from.toISOString().slice(0, 7).replace('-', '_')}`;
    await runner.query(
      `create table ${name} partition of audit_events
        for values from ('${from.toISOString()}') to ('${until.toISOString()}')`,
    );
    await runner.query(truncateTrigger(name));
  }
}

interface Sequence {
  last_value: string;
  is_called: boolean;
}

const MONTHS_AHEAD = 4;

/** The first month in UTC after all events and after now. */
const FIRST_MONTH = `select
  date_trunc('month', greatest(now(), max(at)) at time zone 'UTC') at time zone 'UTC' + interval '1 month' as start,
  count(*) = 0 as is_empty from audit_events`;

/** Row triggers of the table apply to its partitions, too; triggers on truncate do not. */
const truncateTrigger = (table: string): string =>
  `create trigger audit_events_no_truncate before truncate on ${table}
    for each statement execute function refuse_change()`;

const COLUMNS = `
  at timestamptz not null,
  action text not null,
  succeeded boolean not null,
  actor_id uuid,
  subject_id uuid,
  session_id uuid,
  ip inet,
  request_id uuid,
  details jsonb not null default '{}'`;

const UP = [
  `drop trigger audit_events_append_only on audit_events`,
  `alter table audit_events rename to audit_events_initial`,
  `alter table audit_events_initial alter id drop identity, drop constraint audit_events_pkey`,
  `alter table audit_events_initial add constraint audit_events_initial_pkey primary key (id, at)`,
  `alter index audit_events_actor_id_idx rename to audit_events_initial_actor_id_idx`,
  `alter index audit_events_subject_id_idx rename to audit_events_initial_subject_id_idx`,

  // A sequence, because PostgreSQL before 17 has no identity columns in partitioned tables.
  `create sequence audit_events_id_seq as bigint`,
  `create table audit_events (
    id bigint not null default nextval('audit_events_id_seq'), ${COLUMNS},
    constraint audit_events_pkey primary key (id, at)
  ) partition by range (at)`,
  `alter sequence audit_events_id_seq owned by audit_events.id`,
  `create index audit_events_actor_id_idx on audit_events (actor_id, id)`,
  `create index audit_events_subject_id_idx on audit_events (subject_id, id)`,
  `create trigger audit_events_append_only before update or delete on audit_events
    for each row execute function refuse_change()`,
  truncateTrigger('audit_events'),
  `create table audit_events_default partition of audit_events default`,
  truncateTrigger('audit_events_default'),
];

const DOWN = [
  `create table audit_events_plain (
    id bigint generated always as identity, ${COLUMNS}
  )`,
  `insert into audit_events_plain overriding system value
    select id, at, action, succeeded, actor_id, subject_id, session_id, ip, request_id, details from audit_events`,
  `select setval(pg_get_serial_sequence('audit_events_plain', 'id'), last_value, is_called) from audit_events_id_seq`,
  `drop table audit_events`,
  `alter table audit_events_plain rename to audit_events`,
  `alter sequence audit_events_plain_id_seq rename to audit_events_id_seq`,
  `alter table audit_events add constraint audit_events_pkey primary key (id)`,
  `create index audit_events_actor_id_idx on audit_events (actor_id, id)`,
  `create index audit_events_subject_id_idx on audit_events (subject_id, id)`,
  `create trigger audit_events_append_only before update or delete or truncate on audit_events
    for each statement execute function refuse_change()`,
];
