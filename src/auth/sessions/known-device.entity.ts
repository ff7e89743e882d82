import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/** A device that a user has signed in on. Kept after its sessions have ended, to detect sign-ins on new devices. */
@Entity('known_devices')
export class KnownDevice {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'known_devices_pkey' }) user_id: string;
  /** "Firefox on Windows": without versions, so that an update makes no new device. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'known_devices_pkey' }) name: string;
  @Column('timestamptz') last_seen_at: Date;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'known_devices_user_id_fkey' })
  user: User;
}
