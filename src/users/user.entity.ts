import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';

/** A user. Columns have the names of the JSON fields. */
@Entity('users')
@Unique('users_username_key', ['username'])
@Unique('users_email_key', ['email'])
@Check('users_username_check', `username ~ '^[A-Za-z0-9._-]{3,30}$'`)
@Check('users_text_check', `length(fullname) between 1 and 100 and length(email) <= 254 and length(address) <= 300`)
@Check('users_pending_email_check', 'length(pending_email) <= 254')
@Check('users_phone_number_check', `phone_number ~ '^\\+?[0-9]{6,15}$'`)
@Check('users_nid_check', `nid ~ '^[0-9A-Za-z-]{4,30}$'`)
@Index('users_search_idx', { synchronize: false }) // trigrams of folded names: see the first migration
@Index('users_nid_idx', ['id'], { where: 'nid is not null' })
@Index('users_avatar_id_idx', ['avatar_id'])
export class User {
  /** UUID v7, made by the application. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' }) id: string;
  /** As entered; compared without regard to case. */
  @Column('citext') username: string;
  /** In lower case, ASCII. */
  @Column('text', { nullable: true }) email: string | null;
  /** When the user proved to receive mail at the address; null again when the address changes. */
  @Column('timestamptz', { nullable: true }) email_verified_at: Date | null;
  /** The address of a change that waits for its confirmation from the new mailbox. */
  @Column('text', { nullable: true }) pending_email: string | null;
  /** bcrypt hash of the NFC form; null for a user without a password. Never part of a response or a log line. */
  @Column('text', { nullable: true, select: false }) password_hash: string | null;
  @Column('text') fullname: string;
  /** The national id as 0.1.0 stored it. The start encrypts it; this version does not write it. */
  @Column('text', { nullable: true, select: false }) nid: string | null;
  /** The national id, for vaccination, encrypted and bound to this row. Only its owner can read it. */
  @Column('bytea', { nullable: true, select: false }) encrypted_nid: Buffer | null;
  /** E.164, or a local number for users of the vaccine registration. */
  @Column('text', { nullable: true }) phone_number: string | null;
  @Column('text', { nullable: true }) address: string | null;
  /** YYYY-MM-DD. */
  @Column('date', { nullable: true }) birthday: string | null;
  /** A deactivated user cannot sign in, and has no sessions. */
  @Column('boolean', { default: true }) is_active: boolean;
  @Column('timestamptz') created_at: Date;
  /** The avatar that everyone sees. */
  @Column('uuid', { nullable: true }) avatar_id: string | null;
  @Column('timestamptz') updated_at: Date;

  // By name, because users must not import avatars.
  @ManyToOne('Avatar', { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'avatar_id', foreignKeyConstraintName: 'users_avatar_id_fkey' })
  avatar?: object;
}
