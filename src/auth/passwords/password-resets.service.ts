import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { randomInt } from 'node:crypto';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problem.js';
import { deriveKey, keyedHash, newToken } from '../../common/encryption.js';
import { Config } from '../../config/config.js';
import { MAILS } from '../../mail/mail-templates.js';
import { MailsService } from '../../mail/mails.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { PasswordReset } from './password-reset.entity.js';
import { PasswordChangesService } from './password-changes.service.js';
import { PasswordsService } from './passwords.service.js';
import { normaliseEmail } from '../../users/users.dto.js';
import { UsersService } from '../../users/users.service.js';
import type { ResetPasswordDto } from './password-resets.dto.js';

const TRIES = 5;
const TOKEN_TTL_MS = 600_000;
/** Rows of strangers' addresses do not pile up: each request removes more than it adds. */
const PRUNED_AT_ONCE = 10;

const newCode = (): string => String(randomInt(100_000_000)).padStart(8, '0');

const REPLACE = `insert into password_resets as r (address_key, user_id, code_hash, tries_left, expires_at)
  values ($1, $2, $3, ${TRIES}, $4)
  on conflict (address_key) do update set user_id = excluded.user_id, code_hash = excluded.code_hash,
    tries_left = excluded.tries_left, expires_at = excluded.expires_at, token_hash = null, token_expires_at = null`;

/** Spends a try and, with the right code, the code: in one statement, so that guesses at once are counted one by one. */
const SPEND = `update password_resets set tries_left = tries_left - 1,
    code_hash = case when code_hash = $2 then null else code_hash end,
    token_hash = case when code_hash = $2 then $3::bytea end,
    token_expires_at = case when code_hash = $2 then $4::timestamptz end
  where address_key = $1 and code_hash is not null and tries_left > 0 and expires_at > $5
  returning user_id, token_hash is not null as is_right`;

const FIND = `select u.id, u.username, u.email from password_resets r join users u on u.id = r.user_id
  where r.token_hash = $1 and r.token_expires_at > $2 and u.is_active`;

const USE_UP = 'delete from password_resets where token_hash = $1 and token_expires_at > $2 returning user_id';

const PRUNE = `delete from password_resets where address_key in (select address_key from password_resets
  where expires_at < $1 limit ${PRUNED_AT_ONCE} for update skip locked)`;

/** New passwords for those who have forgotten theirs, by a code that is mailed to them. */
@Injectable()
export class PasswordResetsService {
  private readonly key: Buffer;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly mails: MailsService,
    private readonly users: UsersService,
    private readonly passwords: PasswordsService,
    private readonly changes: PasswordChangesService,
    private readonly audit: AuditService,
    private readonly clock: Clock,
    config: Config,
  ) {
    this.key = deriveKey(config.SECRET_KEY, 'password resets');
  }

  /**
   * Mails a code to the active user of this address. For an address that nobody has the same statements run, down to a
   * mail that is dropped later: neither the answer nor its time tells whether there is an account.
   */
  async request(address: string): Promise<void> {
    const email = normaliseEmail(address);
    await this.dataSource.query(PRUNE, [new Date(this.clock.now() - TOKEN_TTL_MS)]);
    await this.dataSource.transaction(async (manager) => {
      const active = 'select id from users where email = $1 and is_active for share';
      const [user] = await manager.query<{ id: string }[]>(active, [email]);
      await this.issue(manager, email, user?.id ?? null);
      const event = { action: 'user.password_reset_requested', subject_id: user?.id ?? null } as const;
      await this.audit.write(manager, event);
    });
  }

  /**
   * Mails a code to a user, for an administrator, who never gets to see it. Raises `user_not_found`, `user_deactivated`,
   * `no_email`, `too_many_mails`.
   */
  async requestFor(caller: Caller, id: string): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const find = 'select email, is_active from users where id = $1 for share';
      const [user] = await manager.query<{ email: string | null; is_active: boolean }[]>(find, [id]);
      if (!user) throw new Problem('user_not_found');
      if (!user.is_active) throw new Problem('user_deactivated');
      if (user.email === null) throw new Problem('no_email');
      if (!(await this.issue(manager, user.email, id)))
        throw new Problem('too_many_mails', { headers: { 'retry-after': '3600' } });
      await this.audit.write(manager, { action: 'user.password_reset_requested', ...actorOf(caller), subject_id: id });
    });
  }

  /** Exchanges a code, which is used up by it, for a reset token. Raises `invalid_code`, whatever is wrong. */
  async validate(address: string, code: string): Promise<string> {
    const addressKey = this.addressKey(normaliseEmail(address));
    const token = newToken();
    const now = this.clock.now();
    const isRight = await this.dataSource.transaction(async (manager) => {
      const [[spent]] = await manager.query<[{ user_id: string | null; is_right: boolean }[], number]>(SPEND, [
        addressKey,
        this.codeHash(addressKey, code.replaceAll(/\s/g, '')),
        this.tokenHash(token),
        new Date(now + TOKEN_TTL_MS),
        new Date(now),
      ]);
      const succeeded = spent?.is_right === true && spent.user_id !== null;
      const subject_id = spent?.user_id ?? null;
      await this.audit.write(manager, { action: 'user.password_reset_code_tried', subject_id, succeeded });
      return succeeded;
    });
    if (!isRight) throw new Problem('invalid_code'); // only now: the try is committed
    return token;
  }

  /**
   * Sets the new password, and ends all sessions. The token is used up by that alone, not by a password that is refused.
   * Raises `invalid_reset_token`, `password_refused`.
   */
  async reset({ reset_token, password }: ResetPasswordDto): Promise<void> {
    const hash = this.tokenHash(reset_token);
    const find = [hash, this.clock.date()];
    type Row = { id: string; username: string; email: string };
    const [user] = await this.dataSource.query<Row[]>(FIND, find);
    if (!user) throw new Problem('invalid_reset_token');
    this.passwords.assertAcceptable(password, [user.username, user.email]);
    const password_hash = await this.passwords.hash(password);
    await this.dataSource.transaction(async (manager) => {
      // The user first, as every change of a user does; then nobody else can be in between.
      await manager.query('select from users where id = $1 for update', [user.id]);
      const [used] = await manager.query<[unknown[], number]>(USE_UP, [hash, this.clock.date()]);
      if (used.length === 0) throw new Problem('invalid_reset_token');
      const isProved = { email_verified_at: this.clock.date() }; // by the code, which only its reader can know
      await this.changes.replace(manager, user.id, password_hash, isProved);
      await this.audit.write(manager, { action: 'user.password_reset', actor_id: user.id, subject_id: user.id });
    });
    await this.users.forgetFailures(user);
  }

  /** Removes the pending password resets of a user. */
  async removeAll(manager: EntityManager, userId: string): Promise<void> {
    await manager.delete(PasswordReset, { user_id: userId });
  }

  /** False when this address has had enough codes for now: then the newest of them still counts. */
  private async issue(manager: EntityManager, email: string, userId: string | null): Promise<boolean> {
    const code = newCode();
    const mail = { kind: 'reset_code', to: email, values: { code }, isDiscarded: userId === null } as const;
    if (!(await this.mails.enqueue(manager, mail))) return false;
    const addressKey = this.addressKey(email);
    const end = new Date(this.clock.now() + MAILS.reset_code.lifetime);
    await manager.query(REPLACE, [addressKey, userId, this.codeHash(addressKey, code), end]);
    return true;
  }

  private addressKey(email: string): Buffer {
    return keyedHash(this.key, 'address', email);
  }

  private codeHash(addressKey: Buffer, code: string): Buffer {
    return keyedHash(this.key, 'code', addressKey.toString('hex'), code);
  }

  private tokenHash(token: string): Buffer {
    return keyedHash(this.key, 'token', token);
  }
}
