import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { AuditAction } from './audit.actions.js';

/**
 * Who did what to whom, when, from where. Rows are only ever added: the database refuses to change or delete them. They
 * hold ids without foreign keys, since they outlive what they tell of.
 */
@Entity('audit_events')
@Index('audit_events_actor_id_idx', ['actor_id', 'id'])
@Index('audit_events_subject_id_idx', ['subject_id', 'id'])
export class AuditEvent {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'audit_events_pkey',
  })
  id: string;
  @Column('timestamptz') at: Date;
  @Column('text') action: AuditAction;
  @Column('boolean') succeeded: boolean;
  /** Who did it; null when nobody had signed in. */
  @Column('uuid', { nullable: true }) actor_id: string | null;
  /** The user or group it was done to. */
  @Column('uuid', { nullable: true }) subject_id: string | null;
  @Column('uuid', { nullable: true }) session_id: string | null;
  @Column('inet', { nullable: true }) ip: string | null;
  @Column('uuid', { nullable: true }) request_id: string | null;
  /** What else belongs to the action; never a secret. */
  @Column('jsonb', { default: {} }) details: object;
}
