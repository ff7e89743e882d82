import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { AsyncLocalStorage } from 'node:async_hooks';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../common/clock.provider.js';
import { requestContext } from '../http/request-context.js';
import { deriveKey, keyedHash, encrypt, decrypt } from '../common/encryption.js';
import { Config } from '../config/config.js';
import { ADVISORY_LOCKS } from '../database/advisory-locks.js';
import { type MailKind, MAILS, type SecurityContext, type ValuesOf, writeMail } from './mail-templates.js';
import type { Mail } from './mail.entity.js';

/** A mailbox must not be flooded, whoever asks for what: so many mails of a kind go to one address within an hour. */
export const MAILS_AN_HOUR = 5;
const HOUR_MS = 3_600_000;

/** What the encrypted_content part of a mail holds. */
export interface MailContent {
  /** Null: to nobody, see `Post.isDecoy`. */
  to: string | null;
  subject: string;
  text: string;
}

interface NewMail<K extends MailKind> {
  kind: K;
  /** Users without an address get no mail. */
  to: string | null;
  values: ValuesOf<K>;
  /** Written like any other and then dropped: so that what an address that nobody has costs tells nothing. */
  isDecoy?: boolean;
}

const POST = `insert into mails (id, kind, address_key, encrypted_content, created_at, due_at, expires_at)
  select $1, $2, $3, $4, $5, $5, $6
  where (select count(*) from mails where address_key = $3 and kind = $2 and created_at > $7) < ${MAILS_AN_HOUR}
  returning id`;

/** The outbox. */
@Injectable()
export class MailsService {
  private readonly sealKey: Buffer;
  private readonly addressKey: Buffer;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.sealKey = deriveKey(config.SECRET_KEY, 'mails');
    this.addressKey = deriveKey(config.SECRET_KEY, 'mail addresses');
  }

  /**
   * Puts a mail into the outbox within the transaction of what it tells of: both happen, or neither. False when the
   * address has had enough mails of this kind, or when there is none.
   */
  async enqueue<K extends MailKind>(
    manager: EntityManager,
    { kind, to, values, isDecoy = false }: NewMail<K>,
  ): Promise<boolean> {
    if (to === null) return false;
    (manager.queryRunner!.data as TransactionMark).hasMail = true;
    const key = keyedHash(this.addressKey, to);
    const now = this.clock.now();
    const id = uuidv7();
    const letter: MailContent = { to: isDecoy ? null : to, ...writeMail(this.config.APP_NAME, kind, values) };
    await manager.query('select pg_advisory_xact_lock($1, $2)', [ADVISORY_LOCKS.mailCount, key.readInt32BE()]);
    const posted = await manager.query<unknown[]>(POST, [
      id,
      kind,
      key,
      encrypt(this.sealKey, JSON.stringify(letter), id),
      new Date(now),
      new Date(now + MAILS[kind].lifetime),
      new Date(now - HOUR_MS),
    ]);
    return posted.length > 0;
  }

  /** Here, now, from where the request comes. */
  securityContext(device?: string): SecurityContext {
    return { at: this.clock.date(), ip: requestContext()?.ip ?? null, ...(device === undefined ? {} : { device }) };
  }

  /** Calls, outside of any request, whenever a transaction that has posted a mail has been committed. */
  onEnqueued(call: () => void): void {
    const outside = AsyncLocalStorage.snapshot();
    this.dataSource.subscribers.push({
      afterTransactionCommit: ({ queryRunner }) => {
        if ((queryRunner.data as TransactionMark).hasMail) outside(call);
      },
    });
  }

  /** What a queued mail says. Throws when it was encrypted with another SECRET_KEY. */
  read({ id, encrypted_content }: Pick<Mail, 'id' | 'encrypted_content'>): MailContent {
    return JSON.parse(decrypt(this.sealKey, encrypted_content!, id)) as MailContent;
  }
}

/** What a query runner, which lives as long as one transaction, is told. */
interface TransactionMark {
  hasMail?: boolean;
}
