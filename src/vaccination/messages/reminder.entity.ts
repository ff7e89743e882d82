import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A reminder that was recorded, so that no node and no restart records it again. */
@Entity('vaccination_reminders')
@Index('vaccination_reminders_created_at_idx', ['created_at'])
export class Reminder {
  /** The appointment, or the dose after which the next one is due. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_reminders_pkey' }) subject_id: string;
  /** The session of the appointment: a moved one gets another reminder. For a dose, its own id. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_reminders_pkey' }) session_id: string;
  @Column('timestamptz') created_at: Date;
}
