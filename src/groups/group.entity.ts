import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import { PERMISSION_NAMES, type Permission } from '../permissions/permissions.js';

/** A named set of permissions that its members have. */
@Entity('groups')
@Unique('groups_name_key', ['name'])
@Check('groups_name_check', `length(name) between 1 and 64`)
@Check('groups_permissions_check', `permissions <@ '{${PERMISSION_NAMES.join(',')}}'::text[]`)
@Check('groups_early_access_days_check', `early_access_days between 0 and 365`)
export class Group {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'groups_pkey' }) id: string;
  /** Unique without regard to case. */
  @Column('citext') name: string;
  @Column('text', { array: true, default: [] }) permissions: Permission[];
  /** Days before the release of a chapter from which members can read it. */
  @Column('integer', { default: 0 }) early_access_days: number;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;
}
