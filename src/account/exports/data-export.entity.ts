import { Check, Column, Entity, Index, JoinColumn, OneToOne, PrimaryColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/**
 * - `pending`: waits for a worker, or one is writing it.
 * - `ready`: the file can be downloaded until `expires_at`.
 * - `failed`: see `problem`.
 */
export const DATA_EXPORT_STATES = ['pending', 'ready', 'failed'] as const;
export type DataExportState = (typeof DATA_EXPORT_STATES)[number];

/** An export of everything that Machi stores about a user. A user has one at a time. */
@Entity('data_exports')
@Unique('data_exports_user_id_key', ['user_id'])
@Check('data_exports_state_check', `state in ('pending', 'ready', 'failed')`)
@Check('data_exports_done_check', `done between 0 and total`)
@Check('data_exports_file_check', `(state = 'ready') = (file_id is not null and size is not null)`)
@Index('data_exports_pending_idx', ['id'], { where: `state = 'pending'` })
@Index('data_exports_expires_at_idx', ['expires_at'])
export class DataExport {
  /** UUID v7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'data_exports_pkey' }) id: string;
  /** Null: replaced by a newer export, or the user has been deleted. A worker deletes the file, then the row. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  /** The session that requested it, and may download it. No foreign key: the id outlives the session. */
  @Column('uuid') session_id: string;
  @Column('text', { default: 'pending' }) state: DataExportState;
  /** Modules that have been written. */
  @Column('integer', { default: 0 }) done: number;
  /** Modules with personal data. */
  @Column('integer') total: number;
  /** Of the file, in bytes. */
  @Column('bigint', { nullable: true }) size: string | null;
  /** The code of the problem that failed it. */
  @Column('text', { nullable: true }) problem: string | null;
  /** Part of the key in the storage. Each run writes a file of its own. */
  @Column('uuid', { nullable: true }) file_id: string | null;
  /** The run that may finish it, until `claimed_until` by the clock of the database. */
  @Column('uuid', { nullable: true }) claim_id: string | null;
  @Column('timestamptz', { nullable: true }) claimed_until: Date | null;
  /** Runs that broke off, for example because the process was killed. */
  @Column('integer', { default: 0 }) attempts: number;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz', { nullable: true }) finished_at: Date | null;
  /** When a pending export is given up, and when the file of a finished one is deleted. */
  @Column('timestamptz') expires_at: Date;

  @OneToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'data_exports_user_id_fkey' })
  user: User | null;
}
