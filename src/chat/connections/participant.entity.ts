import { Column, Entity, JoinColumn, OneToOne, PrimaryGeneratedColumn, Unique } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** Somebody in the chat. It outlives its user, so that what they wrote keeps its place. Made by a trigger on users. */
@Entity('participants')
@Unique('participants_user_id_key', ['user_id'])
export class Participant {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'participants_pkey',
  })
  id: string;
  /** Null: the user has been deleted. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  /** When their last connection closed; null: they have never been online. */
  @Column('timestamptz', { nullable: true }) last_online_at: Date | null;

  @OneToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'participants_user_id_fkey' })
  user: User | null;
}
