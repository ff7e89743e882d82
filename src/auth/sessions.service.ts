import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { Repository } from 'typeorm';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
import { Clock } from '../common/clock.js';
import { Problem } from '../common/problem.js';
import { Config } from '../config.js';
import { POOL } from '../database/database.module.js';
import { rightsOf } from '../permissions/permissions.js';
import type { CurrentUser } from '../users/current-user.js';
import { Passwords } from '../users/passwords.js';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from '../users/profile.js';
import { User } from '../users/user.entity.js';
import { normaliseEmail } from '../users/users.dto.js';
import { UsersService } from '../users/users.service.js';
import { Session } from './session.entity.js';
import type { SessionDto, SignInDto } from './sessions.dto.js';
import { toSessionDto } from './sessions.dto.js';
import { Tokens } from './tokens.js';

/** Where a session is opened from. */
export interface Device {
  ip: string | null;
  user_agent: string | null;
}

/** The whole of authenticating a request: session, user and rights in one indexed query. */
export const AUTHENTICATE = {
  name: 'authenticate',
  text: `select s.id as session_id, s.expires_at as session_expires_at, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = $1 and u.is_active`,
};

/**
 * Opens a session only for a user who is, at this very moment, still active and of the password that was checked: hashing
 * took a while. The lock makes a deactivation wait, and then find the session it has to end.
 */
const OPEN = {
  name: 'open-session',
  text: `insert into sessions (id, user_id, token_id, user_agent, ip, created_at, last_used_at, expires_at)
    select $1::uuid, u.id, $3::uuid, $4, $5::inet, $6, $7, $8 from users u
    where u.id = $2 and u.is_active and u.password_hash is not distinct from $9 for share`,
};

@Injectable()
export class SessionsService {
  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    @InjectRepository(User) private readonly users: Repository<User>,
    @Inject(POOL) private readonly pool: Pool,
    private readonly usersService: UsersService,
    private readonly passwords: Passwords,
    private readonly tokens: Tokens,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** The user of a live session, as of now; null when the session has ended or its user is deactivated. */
  async authenticate(sessionId: string): Promise<CurrentUser | null> {
    type Row = Profile & { session_id: string; session_expires_at: Date | null };
    const { rows } = await this.pool.query<Row>({ ...AUTHENTICATE, values: [sessionId] });
    if (!rows[0]) return null;
    const { session_id, session_expires_at, ...profile } = rows[0];
    if (session_expires_at && session_expires_at.getTime() <= this.clock.now()) return null;
    return { id: profile.id, session_id, profile, ...rightsOf(profile.groups) };
  }

  /** Signs in by username or e-mail. An unknown user, a wrong password and a deactivated user look and cost the same. */
  async signIn({ login, password }: SignInDto, device: Device): Promise<SessionDto> {
    const user = await this.findByLogin(login);
    const right = await this.passwords.verify(password, user?.password_hash);
    if (!user || !right || !user.is_active) throw new Problem('invalid_credentials');
    return this.open({ ...user, password_hash: await this.rehashed(user, password) }, device);
  }

  /** Ends a session; its tokens are refused from the next request on. */
  async remove(id: string): Promise<void> {
    await this.sessions.delete(id);
  }

  private findByLogin(login: string): Promise<User | null> {
    const where = login.includes('@') ? { email: normaliseEmail(login) } : { username: login };
    return this.users.findOne({ where, select: { id: true, is_active: true, password_hash: true } });
  }

  /** The one moment at which the password is at hand to hash it at a cost that has risen. */
  private async rehashed({ id, password_hash }: User, password: string): Promise<string | null> {
    if (password_hash === null || !this.passwords.isOutdated(password_hash)) return password_hash;
    const next = await this.passwords.hash(password);
    const { affected } = await this.users.update({ id, password_hash }, { password_hash: next });
    return affected === 1 ? next : password_hash;
  }

  private async open({ id: user_id, password_hash }: User, device: Device): Promise<SessionDto> {
    const now = this.clock.date();
    const { SESSION_MAX_AGE } = this.config;
    const session = {
      id: uuidv7(),
      user_id,
      token_id: uuidv4(),
      user_agent: device.user_agent,
      ip: device.ip,
      created_at: now,
      last_used_at: now,
      expires_at: SESSION_MAX_AGE === Infinity ? null : new Date(now.getTime() + SESSION_MAX_AGE),
    };
    const values = [...Object.values(session), password_hash];
    const { rowCount } = await this.pool.query({ ...OPEN, values });
    if (rowCount === 0) throw new Problem('invalid_credentials');
    const user = await this.usersService.get(user_id);
    return toSessionDto(session, this.tokens.identity(session, user), this.tokens.refresh(session), user);
  }
}
