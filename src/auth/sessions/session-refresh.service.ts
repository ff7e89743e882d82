import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, Repository } from 'typeorm';
import { v4 as uuidv4 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { tokenProblem } from '../../http/problem.js';
import { UsersService } from '../../users/users.service.js';
import type { RefreshClaims } from '../tokens/token-claims.js';
import { type SignedToken, TokensService } from '../tokens/tokens.service.js';
import { SessionMailsService } from './session-mails.service.js';
import { Session } from './session.entity.js';
import type { SessionDto } from './sessions.dto.js';
import { SessionsService } from './sessions.service.js';

/** Grace period: a refresh token used again within it gets the same tokens, for clients whose response was lost. */
const GRACE_PERIOD_MS = 10_000;

/** What is written to a session whose refresh token was accepted. */
type SessionChanges = Partial<Pick<Session, 'token_id' | 'parent_id' | 'issued_at' | 'last_used_at'>>;

type RefreshResult = { session: Session } | { problem: 'invalid_token' | 'token_reused' };

/** Refresh token rotation with reuse detection (RFC 9700, section 4.14.2). */
@Injectable()
export class SessionRefreshService {
  constructor(
    @InjectRepository(Session) private readonly repository: Repository<Session>,
    private readonly sessions: SessionsService,
    private readonly users: UsersService,
    private readonly tokens: TokensService,
    private readonly audit: AuditService,
    private readonly mails: SessionMailsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Rotates the refresh token: returns the next identity token with its one refresh token. The previous refresh token
   * gets the same tokens within the grace period; any older one revokes the session. Throws `invalid_token`,
   * `token_expired`, `token_reused`.
   */
  async refresh(refreshToken: string): Promise<SessionDto> {
    const claims = this.tokens.verifyCurrent(refreshToken, 'refresh');
    return this.sessions.issueTokens(await this.accept(claims, (session) => this.rotation(session, claims)));
  }

  /**
   * Returns another identity token for the same refresh token, for clients without rotation. A refresh token that was
   * rotated before revokes the session here, too. Throws as `refresh` does.
   */
  async renewIdentityToken(refreshToken: string): Promise<SignedToken> {
    const claims = this.tokens.verifyCurrent(refreshToken, 'refresh');
    const now = this.clock.date();
    const session = await this.accept(claims, () => ({ last_used_at: now }));
    return this.tokens.signIdentityToken({ ...session, issued_at: now }, await this.users.get(session.user_id));
  }

  /** Checks the refresh token against its locked session and stores the changes. Throws `invalid_token`, `token_reused`. */
  private async accept(claims: RefreshClaims, changesOf: (session: Session) => SessionChanges): Promise<Session> {
    const result = await this.repository.manager.transaction(async (manager): Promise<RefreshResult> => {
      const session = await this.findAndLock(manager, claims);
      if (!session) return { problem: 'invalid_token' };
      if (!this.isAcceptable(session, claims)) {
        await this.revokeAfterReuse(manager, session);
        return { problem: 'token_reused' };
      }
      const changes = changesOf(session);
      if (Object.keys(changes).length > 0) await manager.update(Session, session.id, changes);
      return { session: { ...session, ...changes } };
    });
    // Thrown after the commit: an exception inside the transaction would roll back the revocation.
    if ('problem' in result) throw tokenProblem(result.problem);
    return result.session;
  }

  private async findAndLock(manager: EntityManager, { sid, sub }: RefreshClaims): Promise<Session | null> {
    const session = await manager.findOne(Session, {
      where: { id: sid, user_id: sub },
      lock: { mode: 'pessimistic_write' },
    });
    const isExpired = session?.expires_at && session.expires_at <= this.clock.date();
    return isExpired ? null : session;
  }

  /** Whether this is the newest refresh token of the session, or the one before it within the grace period. */
  private isAcceptable(session: Session, { id_token }: RefreshClaims): boolean {
    if (id_token === session.token_id) return true;
    return id_token === session.parent_id && this.clock.now() - session.issued_at.getTime() < GRACE_PERIOD_MS;
  }

  /** The next tokens. Within the grace period these exist already, so nothing changes. */
  private rotation(session: Session, { id_token }: RefreshClaims): SessionChanges {
    if (id_token !== session.token_id) return {};
    const now = this.clock.date();
    return { parent_id: id_token, token_id: uuidv4(), issued_at: now, last_used_at: now };
  }

  private async revokeAfterReuse(manager: EntityManager, session: Session): Promise<void> {
    const { id: session_id, user_id: subject_id } = session;
    await manager.delete(Session, session_id);
    await this.mails.sendTokenReused(manager, session);
    await this.audit.write(manager, { action: 'session.refresh_theft', subject_id, session_id, succeeded: false });
  }
}
