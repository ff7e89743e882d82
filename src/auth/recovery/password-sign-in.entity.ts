import { Column, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** When a user last signed in with the password. Account recovery compares it with the age of other sign-in methods. */
@Entity('password_sign_ins')
export class PasswordSignIn {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'password_sign_ins_pkey' }) user_id: string;
  @Column('timestamptz') last_at: Date;

  @OneToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'password_sign_ins_user_id_fkey' })
  user: User;
}
