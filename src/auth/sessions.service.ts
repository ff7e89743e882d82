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
const AUTHENTICATE = {
  name: 'authenticate',
  text: `select s.id as session_id, s.expires_at as session_expires_at, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = $1 and u.is_active`,
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
    await this.rehash(user, password);
    return this.open(user.id, device);
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
  private async rehash({ id, password_hash }: User, password: string): Promise<void> {
    if (password_hash === null || !this.passwords.isOutdated(password_hash)) return;
    await this.users.update({ id, password_hash }, { password_hash: await this.passwords.hash(password) });
  }

  private async open(user_id: string, device: Device): Promise<SessionDto> {
    const now = this.clock.date();
    const { SESSION_MAX_AGE } = this.config;
    const session = {
      id: uuidv7(),
      user_id,
      token_id: uuidv4(),
      ...device,
      created_at: now,
      last_used_at: now,
      expires_at: SESSION_MAX_AGE === Infinity ? null : new Date(now.getTime() + SESSION_MAX_AGE),
    };
    await this.sessions.insert(session);
    const user = await this.usersService.get(user_id);
    return toSessionDto(session, this.tokens.identity(session, user), this.tokens.refresh(session), user);
  }
}
