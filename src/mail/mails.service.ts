import { Injectable } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool } from 'pg';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../common/clock.provider.js';
import { decrypt, deriveKey, encrypt, keyedHash } from '../common/keys/encryption.js';
import { Config } from '../config/config.js';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';
import { afterCommit } from '../database/after-commit.js';
import { readRows } from '../database/statements/read-rows.js';
import { returningRows } from '../database/statements/returning.js';
import { requestContext } from '../http/log/request-context.js';
import { type MailKind, MAILS, type SecurityContext, type ValuesOf, writeMail } from './mail-templates.js';
import type { CalendarEvent } from './mail-transport.js';
import { type Channel, Mail } from './mail.entity.js';

/** At most this many mails of one kind per address and hour. */
const MAX_MAILS_PER_HOUR = 5;
const HOUR_MS = 3_600_000;
/** At most this many messages of one kind that another module has written, per address and hour. */
const MAX_MESSAGES_PER_HOUR = 20;

/** The content of a queued mail, before encryption. */
export interface MailContent {
  /** Null for a mail that is discarded. */
  to: string | null;
  /** Empty for an SMS. */
  subject: string;
  text: string;
  calendar?: CalendarEvent;
}

/** A message whose text another module has written. */
export interface NewMessage extends MailContent {
  channel: Channel;
  kind: string;
  to: string;
  /** From this time on it is not sent any more. */
  expiresAt: Date;
}

interface NewMail<K extends MailKind> {
  kind: K;
  /** Users without an address get no mail. */
  to: string | null;
  values: ValuesOf<K>;
  /** Enqueued and then discarded, so that unknown addresses cost the same and cannot be told apart by timing. */
  isDiscarded?: boolean;
}

/** Counts and inserts in one statement. */
const INSERT_WITHIN_LIMIT = `insert into mails (id, kind, address_key, encrypted_content, created_at, due_at, expires_at)
  select $1, $2, $3, $4, $5, $5, $6
  where (select count(*) from mails where address_key = $3 and kind = $2 and created_at > $7) < ${MAX_MAILS_PER_HOUR}
  returning id`;

/** Without texts: they contain codes and links, and are erased once the message is settled. */
const ABOUT_ADDRESSES = `select id, channel, kind, state, attempts, created_at, expires_at, settled_at, last_error
  from mails where address_key = any ($1) and state <> 'discarded' order by id`;

/** The rows stay: they count the messages to the address. $2 now. */
const DISCARD = `update mails set state = 'discarded', encrypted_content = null, settled_at = $2
  where address_key = any ($1) and state = 'queued'`;

/** The outbox: mails and SMS are rows, written in the transaction that they report and sent by MailWorker after its commit. */
@Injectable()
export class MailsService {
  private readonly contentKey: Buffer;
  private readonly addressKey: Buffer;
  private onEnqueued: (channel: Channel) => void = () => undefined;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.contentKey = deriveKey(config.SECRET_KEY, 'mails');
    this.addressKey = deriveKey(config.SECRET_KEY, 'mail addresses');
  }

  /**
   * Adds a mail to the outbox in the given transaction. Returns false if there is no address, or if the address has already
   * received the maximum of this kind within the hour.
   */
  async enqueue<K extends MailKind>(
    manager: EntityManager,
    { kind, to, values, isDiscarded = false }: NewMail<K>,
  ): Promise<boolean> {
    if (to === null) return false;
    const id = uuidv7();
    const now = this.clock.now();
    const addressKey = keyedHash(this.addressKey, to);
    const content: MailContent = { to: isDiscarded ? null : to, ...writeMail(this.config.APP_NAME, kind, values) };
    await manager.query('select pg_advisory_xact_lock($1, $2)', [ADVISORY_LOCKS.mailCount, addressKey.readInt32BE()]);
    const inserted = await returningRows(manager, INSERT_WITHIN_LIMIT, [
      id,
      kind,
      addressKey,
      encrypt(this.contentKey, JSON.stringify(content), id),
      new Date(now),
      new Date(now + MAILS[kind].lifetime),
      new Date(now - HOUR_MS),
    ]);
    afterCommit(manager, () => this.onEnqueued('email'));
    return inserted.length > 0;
  }

  /**
   * Adds messages to the outbox in the given transaction. Leaves out those to an address that has received the maximum of their
   * kind within the hour, and SMS if there is no gateway. Concurrent calls may exceed the maximum a little.
   */
  async enqueueWritten(manager: EntityManager, messages: NewMessage[]): Promise<void> {
    const now = this.clock.now();
    const rows = messages
      .filter(({ channel }) => channel === 'email' || this.isSmsOn)
      .map((message) => this.toRow(message, new Date(now)));
    const allowed = await this.withinLimit(manager, rows, new Date(now - HOUR_MS));
    if (allowed.length === 0) return;
    await manager.insert(Mail, allowed);
    for (const channel of new Set(allowed.map((row) => row.channel)))
      afterCommit(manager, () => this.onEnqueued(channel));
  }

  private get isSmsOn(): boolean {
    return this.config.SMS_GATEWAY_URL !== undefined || !this.config.isProduction;
  }

  private toRow({ channel, kind, expiresAt, ...content }: NewMessage, now: Date) {
    const id = uuidv7();
    const address_key = keyedHash(this.addressKey, content.to);
    const encrypted_content = encrypt(this.contentKey, JSON.stringify(content), id);
    return { id, channel, kind, address_key, encrypted_content, created_at: now, due_at: now, expires_at: expiresAt };
  }

  private async withinLimit<Row extends Pick<Mail, 'address_key' | 'kind'>>(
    manager: EntityManager,
    rows: Row[],
    since: Date,
  ): Promise<Row[]> {
    const counts: { key: string; n: number }[] = await manager.query(
      `select encode(address_key, 'hex') || kind as key, count(*)::integer as n from mails
       where address_key = any ($1) and created_at > $2 group by address_key, kind`,
      [rows.map((row) => row.address_key), since],
    );
    const sent = new Map(counts.map(({ key, n }) => [key, n]));
    return rows.filter(({ address_key, kind }) => {
      const key = address_key.toString('hex') + kind;
      const n = (sent.get(key) ?? 0) + 1;
      sent.set(key, n);
      return n <= MAX_MESSAGES_PER_HOUR;
    });
  }

  /** What the outbox knows about messages to these addresses, in batches; without their texts. */
  readAbout(pool: Pool, addresses: string[]): AsyncGenerator<object[]> {
    return readRows(pool, ABOUT_ADDRESSES, [this.keysOf(addresses)]);
  }

  /** Erases the messages to these addresses that wait to be sent. */
  async discard(manager: EntityManager, addresses: string[]): Promise<void> {
    await manager.query(DISCARD, [this.keysOf(addresses), this.clock.date()]);
  }

  private keysOf(addresses: string[]): Buffer[] {
    return addresses.map((address) => keyedHash(this.addressKey, address));
  }

  /** Time, client address and device of a change to an account, for mails about it. */
  securityContext(device?: string): SecurityContext {
    return { at: this.clock.date(), ip: requestContext()?.ip ?? null, ...(device === undefined ? {} : { device }) };
  }

  /** Sets the function to call after the commit of a transaction that has enqueued a mail. It runs outside the request. */
  whenEnqueued(call: (channel: Channel) => void): void {
    const outsideOfRequests = AsyncLocalStorage.snapshot();
    this.onEnqueued = (channel) => outsideOfRequests(call, channel);
  }

  /** The content of a queued mail. Throws when it was encrypted with another SECRET_KEY. */
  readContent({ id, encrypted_content }: Pick<Mail, 'id' | 'encrypted_content'>): MailContent {
    return JSON.parse(decrypt(this.contentKey, encrypted_content!, id)) as MailContent;
  }
}
