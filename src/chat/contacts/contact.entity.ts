import { Check, Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Participant } from '../connections/participant.entity.js';

/** One direction of a contact. A foreign key requires the opposite direction. */
@Entity('contacts')
@Check('contacts_self_check', 'participant_id <> contact_id')
export class Contact {
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'contacts_pkey' }) participant_id: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'contacts_pkey' }) contact_id: string;
  @Column('timestamptz') created_at: Date;

  @ManyToOne(() => Participant, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'participant_id', foreignKeyConstraintName: 'contacts_participant_id_fkey' })
  participant: Participant;

  @ManyToOne(() => Contact, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'contact_id', referencedColumnName: 'participant_id', foreignKeyConstraintName: 'contacts_symmetric_fkey' },
    { name: 'participant_id', referencedColumnName: 'contact_id', foreignKeyConstraintName: 'contacts_symmetric_fkey' },
  ])
  opposite: Contact;
}
