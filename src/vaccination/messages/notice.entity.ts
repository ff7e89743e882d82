import { Check, Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** What a person must be told. Triggers and RemindersService write it, and NoticesWorker turns it into mails and SMS. */
export type NoticeKind = 'booked' | 'promoted' | 'moved' | 'cancelled' | 'reminder' | 'next_dose' | 'lot_recalled';

/**
 * Something that a person must be told, written in the transaction in which it happens, and deleted in the one that writes the
 * messages about it.
 */
@Entity('vaccination_notices')
@Check(
  'vaccination_notices_kind_check',
  `kind in ('booked', 'promoted', 'moved', 'cancelled', 'reminder', 'next_dose', 'lot_recalled')`,
)
@Check('vaccination_notices_subject_check', `num_nonnulls(appointment_id, dose_id) = 1`)
export class Notice {
  @PrimaryGeneratedColumn('identity', {
    type: 'bigint',
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'vaccination_notices_pkey',
  })
  id: string;
  @Column('text') kind: NoticeKind;
  @Column('uuid', { nullable: true }) appointment_id: string | null;
  @Column('uuid', { nullable: true }) dose_id: string | null;
}
