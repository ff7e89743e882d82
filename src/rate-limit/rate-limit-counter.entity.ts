import { Column, Entity, PrimaryColumn } from 'typeorm';

/** How often something happened to somebody. Unlogged: after a crash of the database counting starts again. */
@Entity('rate_limit_counters')
export class RateLimitCounter {
  /** A keyed hash of what is counted for whom: people type all kinds of things into the field of a name. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'rate_limit_counters_pkey' }) key: Buffer;
  /** Failures in a row, or requests in the window. */
  @Column('integer') count: number;
  /** The end of the wait, or of the window. */
  @Column('timestamptz') until: Date;
  @Column('timestamptz') seen_at: Date;
}
