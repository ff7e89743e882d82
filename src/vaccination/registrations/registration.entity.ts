import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

export const ID_TYPES = ['NID', 'BIRTH_REG', 'PASSPORT'] as const;
export type IdType = (typeof ID_TYPES)[number];
export const SEXES = ['female', 'male', 'other'] as const;
export type Sex = (typeof SEXES)[number];
/** `pending` → `verified` or `rejected`; `verified` → `withdrawn`. Its correction makes a registration pending again. */
export const REGISTRATION_STATUSES = ['pending', 'verified', 'rejected', 'withdrawn'] as const;
export type RegistrationStatus = (typeof REGISTRATION_STATUSES)[number];

/** A guardian may register so many dependants. */
export const MAX_DEPENDANTS = 4;

/** A person who registered for vaccination: the owner of the account, or one of their dependants. */
@Entity('vaccination_registrations')
@Index('vaccination_registrations_person_key', ['id_hash'], {
  unique: true,
  where: `status <> 'rejected' and user_id is not null`,
})
@Index('vaccination_registrations_kept_idx', ['id_hash'], { where: `user_id is null` })
@Index('vaccination_registrations_place_key', ['user_id', 'place'], { unique: true })
@Index('vaccination_registrations_status_idx', ['status', 'id'])
@Index('vaccination_registrations_phone_idx', ['phone'], { where: 'phone is not null' })
@Check('vaccination_registrations_place_check', `place between 0 and 4`)
@Check('vaccination_registrations_id_type_check', `id_type in ('NID', 'BIRTH_REG', 'PASSPORT')`)
@Check('vaccination_registrations_sex_check', `sex in ('female', 'male', 'other')`)
@Check('vaccination_registrations_status_check', `status in ('pending', 'verified', 'rejected', 'withdrawn')`)
export class Registration {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'vaccination_registrations_pkey' }) id: string;
  /** The account that registered the person; null once it is deleted. */
  @Column('uuid', { nullable: true }) user_id: string | null;
  /** 0: the owner of the account; 1 to 4: a dependant. Bounds their number in the database. */
  @Column('smallint') place: number;
  @Column('text') legal_name: string;
  /** Null for a user of the vaccine registration who has not added it yet, and cannot book before. */
  @Column('date', { nullable: true }) date_of_birth: string | null;
  @Column('text', { nullable: true }) sex: Sex | null;
  @Column('text') id_type: IdType;
  /** The normalised number, encrypted and bound to this row. */
  @Column('bytea', { select: false }) id_number: Buffer;
  /** Keyed hash of the type and the number, equal for all spellings of one id. */
  @Column('bytea', { select: false }) id_hash: Buffer;
  /** The last four characters of the number, for the masked form. */
  @Column('text') id_last4: string;
  /** E.164; null if the person asked for deletion, or has none. */
  @Column('text', { nullable: true }) phone: string | null;
  @Column('text') status: RegistrationStatus;
  @Column('text', { nullable: true }) rejection_reason: string | null;
  @Column('uuid', { nullable: true }) decided_by: string | null;
  @Column('timestamptz', { nullable: true }) decided_at: Date | null;
  /** Counts the changes and decisions, so that a decision can name the version that it is about. */
  @Column('integer', { default: 1 }) version: number;
  @Column('timestamptz') created_at: Date;
  @Column('timestamptz') updated_at: Date;

  @ManyToOne(() => User, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'vaccination_registrations_user_id_fkey' })
  user: User | null;
}
