import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { type EntityManager, type FindOptionsWhere, Not, Repository } from 'typeorm';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Problem, tokenProblem } from '../../http/problem.js';
import { Config } from '../../config/config.js';
import { POOL } from '../../database/database.module.js';
import { rightsOf } from '../../permissions/permissions.js';
import { TwoFactorService } from '../two-factor/two-factor.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from '../../users/profile.js';
import { UsersService } from '../../users/users.service.js';
import type { Device } from './device.js';
import { SessionMailsService } from './session-mails.service.js';
import { Session } from './session.entity.js';
import { type CurrentSessionDto, type SessionDto, toCurrentSessionDto, toSessionDto } from './sessions.dto.js';
import { endOf, type RefreshClaims, type SignedToken, TokensService } from '../tokens/tokens.service.js';

/** How long the refresh token before the newest still gets the newest: two tabs, or an answer that was lost. */
const GRACE_MS = 10_000;

/** The whole of authenticating a request: session, user and rights in one indexed query. */
export const AUTHENTICATE = {
  name: 'authenticate',
  text: `select s.id as session_id, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = $1 and u.is_active`,
};

/**
 * Opens a session only for a user who is, at this very moment, still active and of the password that was checked: hashing
 * took a while. The lock makes a deactivation wait, and then find the session it has to end.
 */
const OPEN = `insert into sessions (id, user_id, token_id, issued_at, user_agent, ip, created_at, last_used_at, expires_at)
  select $1::uuid, u.id, $3::uuid, $4::timestamptz, $5, $6::inet, $4, $4, $7 from users u
  where u.id = $2 and u.is_active and ($9 or u.password_hash is not distinct from $8) for share returning id`;

/** What a refresh token leads to: its session, the end of a session it was stolen from, or nothing. */
type Refreshed = Session | 'theft' | null;

/** Who has proved to be this user; by a password: with the hash that it was checked against. */
interface VerifiedCredential {
  id: string;
  password_hash?: string | null;
  /** A code was given, or is not needed: a passkey is two steps in one. */
  isTwoFactorVerified?: boolean;
}

@Injectable()
export class SessionsService {
  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    @Inject(POOL) private readonly pool: Pool,
    private readonly users: UsersService,
    private readonly tokens: TokensService,
    private readonly twoFactor: TwoFactorService,
    private readonly audit: AuditService,
    private readonly notices: SessionMailsService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** The user of a live session, as of now; null when the session has ended or its user is deactivated. */
  async authenticate(sessionId: string): Promise<Caller | null> {
    type Row = Profile & { session_id: string };
    const { rows } = await this.pool.query<Row>({ ...AUTHENTICATE, values: [sessionId] });
    if (!rows[0]) return null;
    const { session_id, ...profile } = rows[0];
    return { id: profile.id, session_id, profile, ...rightsOf(profile.groups) };
  }

  /**
   * The next identity token with its one refresh token. The refresh token before the newest gets the newest again for a
   * moment; any other that was used before ends the session: somebody has it who should not. Raises `invalid_token`,
   * `token_expired`, `token_reused`.
   */
  async refresh(refreshToken: string): Promise<SessionDto> {
    const claims = await this.tokens.readCurrent(refreshToken, 'refresh');
    const outcome = await this.sessions.manager.transaction((manager) => this.rotate(manager, claims));
    if (outcome === 'theft') throw tokenProblem('token_reused'); // only now: the session's end is committed
    if (!outcome) throw tokenProblem('invalid_token');
    return this.toDto(outcome);
  }

  /**
   * Another identity token for the same refresh token, which stays: for clients that know of no rotation. One that was
   * rotated away ends the session here, too. Raises as `refresh` does.
   */
  async renew(refreshToken: string): Promise<SignedToken> {
    const claims = await this.tokens.readCurrent(refreshToken, 'refresh');
    const outcome = await this.sessions.manager.transaction((manager) => this.keep(manager, claims));
    if (outcome === 'theft') throw tokenProblem('token_reused'); // only now: the session's end is committed
    if (!outcome) throw tokenProblem('invalid_token');
    const user = await this.users.get(outcome.user_id);
    return this.tokens.identity({ ...outcome, issued_at: this.clock.date() }, user);
  }

  /** The caller's live sessions, newest first. */
  list(caller: Caller): Promise<Session[]> {
    return this.liveOf(caller.id);
  }

  /** Another user's live sessions, for administrators; the reading is audited. Raises `user_not_found`. */
  async listOf(caller: Caller, userId: string): Promise<Session[]> {
    await this.users.get(userId);
    const sessions = await this.liveOf(userId);
    await this.audit.write(this.sessions.manager, { action: 'user.viewed', ...actorOf(caller), subject_id: userId });
    return sessions;
  }

  private liveOf(userId: string): Promise<Session[]> {
    return this.sessions
      .createQueryBuilder('s')
      .where('s.user_id = :id and not (s.issued_at <= :before or coalesce(s.expires_at <= :now, false))', {
        id: userId,
        ...this.deadline(),
      })
      .orderBy('s.id', 'DESC')
      .getMany();
  }

  /** Raises `session_not_found`. */
  async get(caller: Caller, id: string): Promise<Session> {
    const session = await this.sessions.findOneBy({ id, user_id: caller.id });
    if (!session) throw new Problem('session_not_found');
    return session;
  }

  /** The session of this token, with the ends of both tokens and the user as the token shows them. */
  async current(caller: Caller, identityToken: string): Promise<CurrentSessionDto> {
    const claims = await this.tokens.readCurrent(identityToken, 'identity');
    const session = await this.get(caller, caller.session_id);
    return toCurrentSessionDto(session, claims, endOf(claims), (await this.tokens.refresh(session)).expires_at);
  }

  /** Ends a session of this user; its tokens are refused from the next request on. Raises `session_not_found`. */
  async remove(caller: Caller, user_id: string, id: string): Promise<void> {
    if ((await this.end(caller, { user_id, id })) === 0) throw new Problem('session_not_found');
  }

  /** Ends all sessions of this user, or all but the one that asks. */
  async removeAll(caller: Caller, user_id: string, exceptCurrent = false): Promise<void> {
    await this.end(caller, exceptCurrent ? { user_id, id: Not(caller.session_id) } : { user_id });
  }

  /** Signs out with any token of ours, also an expired one, and again. Raises `invalid_token`. */
  async signOut(token: string): Promise<void> {
    const { sid, sub } = await this.tokens.read(token);
    await this.end({ id: sub, session_id: sid }, { user_id: sub, id: sid });
  }

  private end(caller: Pick<Caller, 'id' | 'session_id'>, which: FindOptionsWhere<Session>): Promise<number> {
    return this.sessions.manager.transaction(async (manager) => {
      const { affected } = await manager.delete(Session, which);
      if (!affected) return 0;
      const happening = { subject_id: which.user_id as string, details: { count: affected } };
      await this.audit.write(manager, { action: 'session.ended', ...actorOf(caller), ...happening });
      return affected;
    });
  }

  private async rotate(manager: EntityManager, claims: RefreshClaims): Promise<Refreshed> {
    const session = await this.refreshable(manager, claims);
    if (session === null || session === 'theft' || session.token_id !== claims.id_token) return session;
    const now = this.clock.date();
    const next = { parent_id: claims.id_token, token_id: uuidv4(), issued_at: now, last_used_at: now };
    await manager.update(Session, session.id, next);
    return { ...session, ...next };
  }

  private async keep(manager: EntityManager, claims: RefreshClaims): Promise<Refreshed> {
    const session = await this.refreshable(manager, claims);
    if (session === null || session === 'theft') return session;
    await manager.update(Session, session.id, { last_used_at: this.clock.date() });
    return session;
  }

  /** The locked session of a refresh token that is its newest, or was until a moment ago. Any other one ends it. */
  private async refreshable(manager: EntityManager, { sid, sub, id_token }: RefreshClaims): Promise<Refreshed> {
    const session = await manager.findOne(Session, {
      where: { id: sid, user_id: sub },
      lock: { mode: 'pessimistic_write' },
    });
    const now = this.clock.date();
    if (!session || (session.expires_at && session.expires_at <= now)) return null;
    const isFresh = now.getTime() - session.issued_at.getTime() < GRACE_MS;
    if (id_token === session.token_id || (id_token === session.parent_id && isFresh)) return session;
    await manager.delete(Session, sid);
    await this.notices.robbed(manager, session);
    const theft = { action: 'session.refresh_theft', subject_id: sub, session_id: sid, succeeded: false } as const;
    await this.audit.write(manager, theft);
    return 'theft';
  }

  /**
   * Signs this user in; `details` go into the audit. Null when they have been deactivated, deleted or given another
   * password since they proved who they are, or have two-step sign-in on and took one step only.
   */
  async open(
    { id: user_id, password_hash, isTwoFactorVerified = false }: VerifiedCredential,
    device: Device,
    details = {},
  ): Promise<SessionDto | null> {
    const now = this.clock.date();
    const { SESSION_MAX_AGE } = this.config;
    const expires_at = SESSION_MAX_AGE === Infinity ? null : new Date(now.getTime() + SESSION_MAX_AGE);
    const id = uuidv7();
    const session = await this.sessions.manager.transaction(async (manager) => {
      if (!isTwoFactorVerified && (await this.twoFactor.isOn(manager, user_id))) return null;
      await this.removeDead(manager, user_id);
      const values = [
        id,
        user_id,
        uuidv4(),
        now,
        device.user_agent,
        device.ip,
        expires_at,
        password_hash,
        password_hash === undefined,
      ];
      const opened = await manager.query<unknown[]>(OPEN, values);
      if (opened.length === 0) return null;
      const event = { action: 'session.opened', actor_id: user_id, subject_id: user_id, session_id: id } as const;
      await this.audit.write(manager, { ...event, details });
      await this.notices.opened(manager, user_id, device);
      return manager.findOneByOrFail(Session, { id });
    });
    return session && this.toDto(session);
  }

  private async removeDead(manager: EntityManager, userId: string): Promise<void> {
    const { before, now } = this.deadline();
    const dead = 'delete from sessions where user_id = $1 and (issued_at <= $2 or expires_at <= $3)';
    await manager.query(dead, [userId, before, now]);
  }

  /** Sessions whose tokens were issued before this cannot be used any more. */
  private deadline(): { before: Date; now: Date } {
    const life = Math.max(this.config.IDENTITY_TOKEN_TTL, this.config.REFRESH_TOKEN_TTL);
    const now = this.clock.now();
    return { before: new Date(life === Infinity ? 0 : now - life), now: new Date(now) };
  }

  private async toDto(session: Session): Promise<SessionDto> {
    const user = await this.users.get(session.user_id);
    const [identity, refresh] = await Promise.all([this.tokens.identity(session, user), this.tokens.refresh(session)]);
    return toSessionDto(session, identity, refresh, user);
  }
}
