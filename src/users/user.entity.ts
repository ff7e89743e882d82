import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';

/** A person with an account. Columns are named as on the wire. */
@Entity('users')
@Unique('users_username_key', ['username'])
@Unique('users_email_key', ['email'])
@Check('users_username_check', `username ~ '^[A-Za-z0-9._-]{3,30}$'`)
@Check('users_text_check', `length(fullname) between 1 and 100 and length(email) <= 254 and length(address) <= 300`)
@Check('users_phone_number_check', `phone_number ~ '^\\+?[0-9]{6,15}$'`)
@Check('users_nid_check', `nid ~ '^[0-9A-Za-z-]{4,30}$'`)
@Index('users_search_idx', { synchronize: false }) // trigrams of folded names: see the first migration
@Index('users_avatar_id_idx', ['avatar_id'])
export class User {
  /** UUID v7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' }) id: string;
  /** As typed; compared without regard to case. */
  @Column('citext') username: string;
  /** In lower case, ASCII. */
  @Column('text', { nullable: true }) email: string | null;
  /** When its user proved it; the database clears it when the address changes. */
  @Column('timestamptz', { nullable: true }) email_verified_at: Date | null;
  /** bcrypt, of the NFC form; null when the user has no password (signs in elsewhere). Leaves the service nowhere. */
  @Column('text', { nullable: true, select: false }) password_hash: string | null;
  @Column('text') fullname: string;
  /** The national id, for vaccination. Shown to its owner alone. */
  @Column('text', { nullable: true, select: false }) nid: string | null;
  /** E.164; of the vaccine registration's users as it is dialled locally. */
  @Column('text', { nullable: true }) phone_number: string | null;
  @Column('text', { nullable: true }) address: string | null;
  /** YYYY-MM-DD. */
  @Column('date', { nullable: true }) birthday: string | null;
  /** A deactivated user cannot sign in and is refused from the next request on. */
  @Column('boolean', { default: true }) is_active: boolean;
  @Column('timestamptz') created_at: Date;
  /** The avatar that everybody sees. */
  @Column('uuid', { nullable: true }) avatar_id: string | null;
  @Column('timestamptz') updated_at: Date;

  // By name: avatars know users, and no arrow runs back.
  @ManyToOne('Avatar', { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'avatar_id', foreignKeyConstraintName: 'users_avatar_id_fkey' })
  avatar?: object;
}
