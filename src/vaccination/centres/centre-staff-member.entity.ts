import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';
import { Centre } from './centre.entity.js';

export const STAFF_ROLES = ['manager', 'vaccinator', 'registrar'] as const;
export type StaffRole = (typeof STAFF_ROLES)[number];

/** A user who works at a centre. */
@Entity('vaccination_centre_staff')
@Index('vaccination_centre_staff_user_id_idx', ['user_id'])
@Check('vaccination_centre_staff_role_check', `role in ('manager', 'vaccinator', 'registrar')`)
export class CentreStaffMember {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_centre_staff_pkey' }) centre_id: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_centre_staff_pkey' }) user_id: string;
  @Column('text') role: StaffRole;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Centre, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'centre_id', foreignKeyConstraintName: 'vaccination_centre_staff_centre_id_fkey' })
  centre: Centre;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'vaccination_centre_staff_user_id_fkey' })
  user: User;
}
