import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { MailKind } from './mail-templates.js';

/**
 * A mail on its way out: written in the transaction of what it tells of, sent by a worker afterwards. Address and text are
 * encrypted, since a text may hold a code, and wiped as soon as the mail is settled.
 */
@Entity('mails')
@Check(
  'mails_state_check',
  `state in ('queued', 'sent', 'failed', 'dropped') and (state = 'queued') = (encrypted_content is not null) and (state = 'queued') = (settled_at is null)`,
)
@Index('mails_due_at_idx', ['due_at'], { where: `state = 'queued'` })
@Index('mails_settled_at_idx', ['settled_at'])
@Index('mails_address_key_idx', ['address_key', 'kind', 'created_at'])
export class Mail {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mails_pkey' }) id: string;
  @Column('text') kind: MailKind;
  /** Keyed hash of the address, by which the mails of an hour are counted. */
  @Column('bytea') address_key: Buffer;
  @Column('bytea', { nullable: true }) encrypted_content: Buffer | null;
  /** `dropped`: written for the sake of equal work, to an address that belongs to nobody. */
  @Column('text', { default: 'queued' }) state: 'queued' | 'sent' | 'failed' | 'dropped';
  @Column('integer', { default: 0 }) attempts: number;
  @Column('timestamptz') created_at: Date;
  /** When it is tried next; while a worker sends it, the end of that worker's lease. */
  @Column('timestamptz') due_at: Date;
  /** Afterwards it is of no use to its reader, and fails. */
  @Column('timestamptz') expires_at: Date;
  @Column('timestamptz', { nullable: true }) settled_at: Date | null;
  /** Codes of the last failure; the server's own words may hold the address. */
  @Column('text', { nullable: true }) last_error: string | null;
}
