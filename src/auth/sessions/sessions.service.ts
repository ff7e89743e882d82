import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { isUUID } from 'class-validator';
import { type EntityManager, type FindOptionsWhere, Not, Repository } from 'typeorm';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { returningRows } from '../../database/statements/returning.js';
import { type Page, type PageQueryDto, readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem, tokenProblem } from '../../http/problems/problem.js';
import { rightsOf } from '../../permissions/permissions.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { toUserDto } from '../../users/users.dto.js';
import { UsersService } from '../../users/users.service.js';
import { expiryOf } from '../tokens/token-claims.js';
import { TokensService } from '../tokens/tokens.service.js';
import { isTwoFactorOn } from '../is-two-factor-on.js';
import type { VerifiedCredential } from '../verified-credential.js';
import type { Device } from './device.js';
import { type ExpiryLimits, expiryLimits, hasNoToken, hasReachedEnd } from './session-expiry.js';
import { SessionMailsService } from './session-mails.service.js';
import { Session } from './session.entity.js';
import {
  type CurrentSessionDto,
  type DeviceSessionDto,
  type SessionDto,
  toCurrentSessionDto,
  toDeviceSessionDto,
  toSessionDto,
} from './sessions.dto.js';

/**
 * Opens a session only if the user is still active and the password hash still the one that was checked: checking takes
 * a while. The row lock makes a concurrent deactivation wait, so that it finds this session and revokes it, and a
 * concurrent sign-in of the same user, so that both together keep to MAX_SESSIONS.
 */
const OPEN = `insert into sessions
  (id, user_id, token_id, issued_at, user_agent, ip, created_at, last_used_at, expires_at, compat_system)
  select $1::uuid, u.id, $3::uuid, $4::timestamptz, $5, $6::inet, $4, $4, $7, $10 from users u
  where u.id = $2 and u.is_active and ($9 or u.password_hash is not distinct from $8)
  for no key update returning *`;

const MAX_SESSIONS = 100;

/** Deletes the oldest sessions of a user beyond MAX_SESSIONS. $1 user, $2 a session to keep, the newest one. */
const REMOVE_SURPLUS = `delete from sessions where id in (
  select id from sessions where user_id = $1 and id <> $2 order by id desc offset ${MAX_SESSIONS - 1}) returning id`;

/** Parameters: `expiryLimits`. */
const IS_EXPIRED = `coalesce(${hasReachedEnd(':now')}, false) or (${hasNoToken(':oldestRefresh', ':oldestIdentities')})`;

/** Opens, lists and revokes sessions. */
@Injectable()
export class SessionsService {
  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    private readonly users: UsersService,
    private readonly tokens: TokensService,
    private readonly audit: AuditService,
    private readonly mails: SessionMailsService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /**
   * Opens a session, and ends the oldest one of a user who has a hundred; `details` are added to the audit event. Returns null
   * if the user was deactivated or deleted or changed the password after the credential was verified, or if two-factor
   * authentication is on and was not part of the sign-in.
   */
  async open(
    manager: EntityManager,
    { userId, passwordHash, isTwoFactorVerified = false }: VerifiedCredential,
    device: Device,
    details: object,
  ): Promise<Session | null> {
    if (!isTwoFactorVerified && (await isTwoFactorOn(manager, userId))) return null;
    const id = uuidv7();
    const now = this.clock.date();
    const { SESSION_MAX_AGE } = this.config;
    const expiresAt = SESSION_MAX_AGE === Infinity ? null : new Date(now.getTime() + SESSION_MAX_AGE);
    const [session] = await manager.query<Session[]>(OPEN, [
      id,
      userId,
      uuidv4(),
      now,
      device.user_agent,
      device.ip,
      expiresAt,
      passwordHash,
      passwordHash === undefined,
      device.compat_system ?? null,
    ]);
    if (!session) return null;
    await this.removeExpired(manager, userId); // after the user is locked, as deactivation does it
    await this.removeSurplus(manager, session);
    const event = { action: 'session.opened', actor_id: userId, subject_id: userId, session_id: id } as const;
    await this.audit.write(manager, { ...event, details });
    await this.mails.sendNewDevice(manager, userId, device);
    return session;
  }

  /** Signs the newest tokens of a session; the user and their rights are read now. */
  async issueTokens(session: Session): Promise<SessionDto> {
    const user = await this.users.get(session.user_id);
    const rights = rightsOf(user.groups);
    const identity = this.tokens.signIdentityToken(session, user, rights.permissions);
    return toSessionDto(session, identity, this.tokens.signRefreshToken(session), toUserDto(user, rights));
  }

  /** The caller's sessions, newest first. Throws `invalid_cursor`. */
  list(caller: Caller, query: PageQueryDto): Promise<Page<DeviceSessionDto>> {
    return this.listUnexpired(caller, caller.id, query);
  }

  /**
   * Another user's sessions, newest first, for administrators; writes an audit event. Throws `user_not_found`,
   * `invalid_cursor`.
   */
  async listFor(caller: Caller, userId: string, query: PageQueryDto): Promise<Page<DeviceSessionDto>> {
    await this.users.get(userId);
    const sessions = await this.listUnexpired(caller, userId, query);
    await this.audit.write(this.sessions.manager, { action: 'user.viewed', ...actorOf(caller), subject_id: userId });
    return sessions;
  }

  /**
   * The caller's session, with the expiry of both tokens and the user as the token names them. `identityTokens` are those
   * of the request, of which one authenticated the caller. Throws `invalid_token` if the session has ended since.
   */
  async getCurrent(caller: Caller, identityTokens: string[]): Promise<CurrentSessionDto> {
    const tokens = identityTokens.map((token) => this.tokens.find(token));
    const claims = tokens.find((token) => token?.kind === 'identity' && token.sid === caller.session_id);
    const session = await this.sessions.findOneBy({ id: caller.session_id, user_id: caller.id });
    if (!session || claims?.kind !== 'identity') throw tokenProblem('invalid_token');
    return toCurrentSessionDto(session, claims, expiryOf(claims), this.tokens.refreshTokenExpiry(session));
  }

  /** Revokes one session of a user: its tokens are refused from the next request on. Throws `session_not_found`. */
  async remove(caller: Caller, user_id: string, id: string): Promise<void> {
    if ((await this.removeWhere(caller, { user_id, id })) === 0) throw new Problem('session_not_found');
  }

  /** Revokes all sessions of a user, or all but the caller's. */
  async removeAll(caller: Caller, user_id: string, { exceptCurrent = false } = {}): Promise<void> {
    await this.removeWhere(caller, exceptCurrent ? { user_id, id: Not(caller.session_id) } : { user_id });
  }

  /** Signs out with any token of a session, expired ones included; repeating it succeeds. Throws `invalid_token`. */
  async signOut(token: string): Promise<void> {
    const { sid, sub } = this.tokens.verify(token);
    await this.removeWhere({ id: sub, session_id: sid }, { user_id: sub, id: sid });
  }

  /** Revokes all sessions of a user, or all but one, as part of a change that writes its own audit event. */
  async revokeAll(
    manager: EntityManager,
    userId: string,
    { exceptSessionId }: { exceptSessionId?: string } = {},
  ): Promise<void> {
    await manager.delete(Session, { user_id: userId, ...(exceptSessionId ? { id: Not(exceptSessionId) } : {}) });
  }

  private removeWhere(caller: Pick<Caller, 'id' | 'session_id'>, where: FindOptionsWhere<Session>): Promise<number> {
    return this.sessions.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(Session, where);
      if (!affected) return 0;
      const change = { subject_id: where.user_id as string, details: { count: affected } };
      await this.audit.write(manager, { action: 'session.ended', ...actorOf(caller), ...change });
      return affected;
    });
  }

  private async listUnexpired(
    caller: Caller,
    userId: string,
    { limit, cursor }: PageQueryDto,
  ): Promise<Page<DeviceSessionDto>> {
    const before = readCursor(cursor, (key) => isUUID(key)) ?? null;
    const sessions = await this.sessions
      .createQueryBuilder('session')
      .where(`user_id = :userId and not (${IS_EXPIRED})`, { userId, ...this.expiryLimits() })
      .andWhere('(cast(:before as uuid) is null or id < :before)', { before })
      .orderBy('id', 'DESC')
      .limit(limit + 1)
      .getMany();
    const toDto = (session: Session): DeviceSessionDto => toDeviceSessionDto(session, caller.session_id);
    return toPage(sessions, limit, ({ id }) => id, toDto);
  }

  private async removeSurplus(manager: EntityManager, { id, user_id }: Session): Promise<void> {
    const removed = await returningRows(manager, REMOVE_SURPLUS, [user_id, id]);
    if (removed.length === 0) return;
    const details = { count: removed.length, reason: 'too_many' };
    await this.audit.write(manager, { action: 'session.ended', actor_id: user_id, subject_id: user_id, details });
  }

  private async removeExpired(manager: EntityManager, userId: string): Promise<void> {
    await manager
      .createQueryBuilder()
      .delete()
      .from(Session)
      .where(`user_id = :userId and (${IS_EXPIRED})`, { userId, ...this.expiryLimits() })
      .execute();
  }

  /** Which of these sessions have not expired. */
  async findLive(ids: string[]): Promise<Set<string>> {
    const live = await this.sessions
      .createQueryBuilder()
      .select('id', 'id')
      .where(`id = any (:ids) and not (${IS_EXPIRED})`, { ids, ...this.expiryLimits() })
      .getRawMany<{ id: string }>();
    return new Set(live.map(({ id }) => id));
  }

  private expiryLimits(): ExpiryLimits {
    return expiryLimits(this.config, this.clock.now());
  }
}
