import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, Unique } from 'typeorm';
import { Registration } from '../registrations/registration.entity.js';
import { VaccinationSession } from '../sessions/vaccination-session.entity.js';

/** A person who waits for a place of a full session. */
@Entity('vaccination_waitlist_entries')
@Unique('vaccination_waitlist_entries_person_key', ['session_id', 'registration_id'])
@Index('vaccination_waitlist_entries_session_id_idx', ['session_id', 'id'])
@Index('vaccination_waitlist_entries_registration_id_idx', ['registration_id'])
export class WaitlistEntry {
  /** The order of promotion: assigned while the session is locked. */
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'vaccination_waitlist_entries_pkey',
  })
  id: string;
  @Column('uuid') session_id: string;
  @Column('uuid') registration_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => VaccinationSession)
  @JoinColumn({ name: 'session_id', foreignKeyConstraintName: 'vaccination_waitlist_entries_session_id_fkey' })
  session: VaccinationSession;

  @ManyToOne(() => Registration, { onDelete: 'CASCADE' })
  @JoinColumn({
    name: 'registration_id',
    foreignKeyConstraintName: 'vaccination_waitlist_entries_registration_id_fkey',
  })
  registration: Registration;
}
