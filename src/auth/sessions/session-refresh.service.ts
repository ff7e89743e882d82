import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v4 as uuidv4 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import type { CompatSystem } from '../../config/compat-systems.js';
import { tokenProblem } from '../../http/problems/problem.js';
import { RENEWAL_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { UsersService } from '../../users/users.service.js';
import type { RefreshClaims } from '../tokens/token-claims.js';
import { type SignedToken, TokensService } from '../tokens/tokens.service.js';
import { clientOf, type Device } from './device.js';
import { SessionMailsService } from './session-mails.service.js';
import { Session } from './session.entity.js';
import type { SessionDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

/** What is written to a session whose refresh token was accepted. */
type SessionChanges = Partial<Pick<Session, 'token_id' | 'parent_id' | 'refreshed_by' | 'issued_at' | 'last_used_at'>>;

type Refusal = 'invalid_token' | 'token_reused';

/** Refresh token rotation with reuse detection (RFC 9700, section 4.14.2). */
@Injectable()
export class SessionRefreshService {
  constructor(
    @InjectRepository(Session) private readonly repository: Repository<Session>,
    private readonly sessions: SessionsService,
    private readonly users: UsersService,
    private readonly tokens: TokensService,
    private readonly quotas: QuotasService,
    private readonly audit: AuditService,
    private readonly mails: SessionMailsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Rotates the refresh token: returns the next identity token with its one refresh token. A client that lost the
   * answer gets the same tokens again for the previous refresh token, until it has used the next one. Any other use
   * of a rotated refresh token revokes the session. Throws `invalid_token`, `token_expired`, `token_reused`.
   */
  refresh(refreshToken: string, device: Device): Promise<SessionDto> {
    return this.refreshWithAny([this.tokens.verifyCurrent(refreshToken, 'refresh')], device);
  }

  /**
   * Refreshes as `refresh` does, with several verified refresh tokens of one session: a browser may hold an old cookie beside
   * the current one, for another path. The newest of the session counts. Throws `invalid_token`, `token_reused`.
   */
  async refreshWithAny(claims: [RefreshClaims, ...RefreshClaims[]], device: Device): Promise<SessionDto> {
    const ids = claims.map(({ id_token }) => id_token);
    const client = clientOf(device);
    return this.sessions.issueTokens(await this.accept(claims[0], (session) => this.rotation(session, ids, client)));
  }

  /**
   * Returns another identity token for the same refresh token, for a replaced system whose clients know no rotation. Only
   * for sessions that a route of the system opened. A refresh token that was rotated before revokes the session here, too.
   * Throws `rate_limited`, and as `refresh` does.
   */
  async renewIdentityToken(refreshToken: string, system: CompatSystem): Promise<SignedToken> {
    const claims = this.tokens.verifyCurrent(refreshToken, 'refresh');
    await this.quotas.consume(RENEWAL_QUOTA, claims.sid);
    const now = this.clock.date();
    const session = await this.accept(claims, ({ token_id, compat_system }) => {
      if (claims.id_token !== token_id) return 'token_reused';
      return compat_system === system ? { parent_id: null, last_used_at: now } : 'invalid_token';
    });
    return this.tokens.signIdentityToken({ ...session, issued_at: now }, await this.users.get(session.user_id));
  }

  /** Checks the refresh token against its locked session and stores the changes. Throws `invalid_token`, `token_reused`. */
  private async accept(
    claims: RefreshClaims,
    changesOf: (session: Session) => SessionChanges | Refusal,
  ): Promise<Session> {
    const result = await this.repository.manager.transaction(async (manager): Promise<Session | Refusal> => {
      const session = await this.findAndLock(manager, claims);
      if (!session) return 'invalid_token';
      const changes = changesOf(session);
      if (changes === 'token_reused') await this.revokeAfterReuse(manager, session);
      if (typeof changes === 'string') return changes;
      if (Object.keys(changes).length > 0) await manager.update(Session, session.id, changes);
      return { ...session, ...changes };
    });
    // Thrown after the commit: an exception inside the transaction would roll back the revocation.
    if (typeof result === 'string') throw tokenProblem(result);
    return result;
  }

  private async findAndLock(manager: EntityManager, { sid, sub }: RefreshClaims): Promise<Session | null> {
    const session = await manager.findOne(Session, {
      where: { id: sid, user_id: sub },
      lock: { mode: 'pessimistic_write' },
    });
    const isExpired = session?.expires_at && session.expires_at <= this.clock.date();
    return isExpired ? null : session;
  }

  /** The next tokens; a client that got them before gets the same ones again. */
  private rotation(session: Session, ids: string[], client: string): SessionChanges | Refusal {
    const { token_id, parent_id, refreshed_by } = session;
    if (!ids.includes(token_id)) {
      return parent_id !== null && ids.includes(parent_id) && client === refreshed_by ? {} : 'token_reused';
    }
    const now = this.clock.date();
    return { parent_id: token_id, token_id: uuidv4(), refreshed_by: client, issued_at: now, last_used_at: now };
  }

  private async revokeAfterReuse(manager: EntityManager, session: Session): Promise<void> {
    const { id: session_id, user_id: subject_id } = session;
    await manager.delete(Session, session_id);
    await this.mails.sendTokenReused(manager, session);
    await this.audit.write(manager, { action: 'session.refresh_theft', subject_id, session_id, succeeded: false });
  }
}
