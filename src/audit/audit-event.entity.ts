import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { AuditAction } from './audit.actions.js';

/**
 * An audited action: actor, subject, time and origin. Rows are append-only; the database refuses changes and deletions.
 * Ids have no foreign keys, since events outlive the users and groups they name. The table has a partition per month.
 */
@Entity('audit_events')
@Index('audit_events_actor_id_idx', ['actor_id', 'id'])
@Index('audit_events_subject_id_idx', ['subject_id', 'id'])
export class AuditEvent {
  @PrimaryGeneratedColumn('increment', { type: 'bigint', primaryKeyConstraintName: 'audit_events_pkey' })
  id: string;
  /** The time of the event: the partition key, and thus part of the primary key. */
  @PrimaryColumn('timestamptz', { primaryKeyConstraintName: 'audit_events_pkey' }) at: Date;
  @Column('text') action: AuditAction;
  @Column('boolean') succeeded: boolean;
  /** The user who acted; null if no user was signed in. */
  @Column('uuid', { nullable: true }) actor_id: string | null;
  /** The user or group that the action affects. */
  @Column('uuid', { nullable: true }) subject_id: string | null;
  @Column('uuid', { nullable: true }) session_id: string | null;
  @Column('inet', { nullable: true }) ip: string | null;
  @Column('uuid', { nullable: true }) request_id: string | null;
  /** Further facts about the action; never secrets. */
  @Column('jsonb', { default: {} }) details: object;
}
