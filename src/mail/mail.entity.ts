import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** How a message reaches its recipient. */
export type Channel = 'email' | 'sms';

/**
 * A mail or an SMS of the outbox. Address and text are encrypted, because the text may contain a code or a link, and are erased as soon
 * as the mail is settled.
 */
@Entity('mails')
@Check(
  'mails_state_check',
  `state in ('queued', 'sent', 'failed', 'discarded') and (state = 'queued') = (encrypted_content is not null) and (state = 'queued') = (settled_at is null)`,
)
@Check('mails_channel_check', `channel in ('email', 'sms')`)
@Index('mails_due_at_idx', ['due_at'], { where: `state = 'queued'` })
@Index('mails_settled_at_idx', ['settled_at'])
@Index('mails_address_key_idx', ['address_key', 'kind', 'created_at'])
export class Mail {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mails_pkey' }) id: string;
  @Column('text', { default: 'email' }) channel: Channel;
  @Column('text') kind: string;
  /** Keyed hash of the address or phone number, for counting its mails. */
  @Column('bytea') address_key: Buffer;
  /** Null once the mail is settled. */
  @Column('bytea', { nullable: true }) encrypted_content: Buffer | null;
  /** `discarded`: enqueued only so that unknown addresses cost the same. */
  @Column('text', { default: 'queued' }) state: 'queued' | 'sent' | 'failed' | 'discarded';
  @Column('integer', { default: 0 }) attempts: number;
  @Column('timestamptz') created_at: Date;
  /** The time of the next attempt. While a worker sends the mail: the end of its lease. */
  @Column('timestamptz') due_at: Date;
  /** From this time on, the mail is not sent any more. */
  @Column('timestamptz') expires_at: Date;
  @Column('timestamptz', { nullable: true }) settled_at: Date | null;
  /** The codes of the last failure. The message of the server is not stored: it may contain the address. */
  @Column('text', { nullable: true }) last_error: string | null;
}
