import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The count of one limit for one subject. The table is unlogged: after a crash of PostgreSQL counting starts again. */
@Entity('rate_limit_counters')
@Index('rate_limit_counters_seen_at_idx', ['seen_at'])
export class RateLimitCounter {
  /** A keyed hash of the limit's name and its subject. */
  @PrimaryColumn('bytea', { primaryKeyConstraintName: 'rate_limit_counters_pkey' }) key: Buffer;
  /** Consecutive failures, or requests in the window. */
  @Column('integer') count: number;
  /** The end of the waiting time, or of the window. */
  @Column('timestamptz') until: Date;
  @Column('timestamptz') seen_at: Date;
}
