import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../users/user.entity.js';
import { Group } from './group.entity.js';

/** The membership of a user in a group. */
@Entity('group_members')
@Index('group_members_user_id_idx', ['user_id'])
export class GroupMember {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'group_members_pkey' }) group_id: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'group_members_pkey' }) user_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Group, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'group_id', foreignKeyConstraintName: 'group_members_group_id_fkey' })
  group: Group;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'group_members_user_id_fkey' })
  user: User;
}
