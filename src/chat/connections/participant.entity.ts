import { Column, Entity, JoinColumn, OneToOne, PrimaryGeneratedColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/**
 * The chat identity of a user, created by a trigger on `users`. It remains when the user is deleted, so that messages and
 * memberships keep their participant.
 */
@Entity('participants')
@Unique('participants_user_id_key', ['user_id'])
export class Participant {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'participants_pkey',
  })
  id: string;
  /** Null if the user has been deleted. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  /** The end of the last connection; null if there was none. */
  @Column('timestamptz', { nullable: true }) last_online_at: Date | null;

  @OneToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'participants_user_id_fkey' })
  user: User | null;
}
