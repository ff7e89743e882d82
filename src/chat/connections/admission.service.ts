import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { AuthenticatorService } from '../../auth/authenticator.service.js';
import { expiryOf, type IdentityClaims } from '../../auth/tokens/token-claims.js';
import { Clock } from '../../common/clock.provider.js';
import { isTokenProblem, Problem, tokenProblem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { successText } from '../protocol/responses.js';
import type { AuthenticatedDto, AuthFrame, HelloDto } from './admission.dto.js';
import { type Connection, FRAMES, MAX_FRAME_BYTES, secondsOf } from './connection.js';
import { ConnectionsService, SENDS } from './connections.service.js';
import { ParticipantsService } from './participants.service.js';

const LIMITS: HelloDto['limits'] = {
  frame_bytes: MAX_FRAME_BYTES,
  frame_burst: FRAMES.burst,
  frames_per_second: FRAMES.perSecond,
  message_burst: SENDS.burst,
  messages_per_second: SENDS.perSecond,
};

/** Admits connections: by the token of the upgrade, or by an `auth` frame of a client of `machi.v2`. */
@Injectable()
export class AdmissionService {
  constructor(
    private readonly authenticator: AuthenticatorService,
    private readonly connections: ConnectionsService,
    private readonly participants: ParticipantsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Admits a connection by the token of its upgrade. A client of `machi.v2` without a valid one may send `auth`, unless it
   * sent the token as a header: a page cannot remove an old cookie. Throws `token_required`, `invalid_token`,
   * `token_expired`.
   */
  async admitUpgrade(connection: Connection, request: IncomingMessage): Promise<void> {
    try {
      const { caller, claims } = await this.authenticator.authenticateToken(request, ({ sid }) =>
        this.connections.bindToSession(connection, sid),
      );
      await this.admit(connection, caller, claims);
    } catch (error) {
      const mayAuthenticate = connection.isV2 && request.headers.authorization === undefined;
      if (!(mayAuthenticate && error instanceof Problem && isTokenProblem(error.code))) throw error;
      connection.awaitAuthentication();
    }
  }

  /**
   * Admits a connection by its first frame, or renews it with a token of its session. Returns the new expiry of a renewed
   * connection. Throws `invalid_token`, `token_expired`.
   */
  async authenticate(
    connection: Connection,
    { identity_token, request_id }: AuthFrame,
  ): Promise<AuthenticatedDto | undefined> {
    const isRenewal = connection.isAuthenticated;
    const { caller, claims } = await this.authenticator.authenticateFirst([identity_token], ({ sid }) => {
      if (!isRenewal) this.connections.bindToSession(connection, sid);
      else if (sid !== connection.sessionId) throw tokenProblem('invalid_token');
    });
    if (!isRenewal) {
      await this.admit(connection, caller, claims, request_id);
      return undefined;
    }
    connection.renew(expiryMs(claims));
    return { expires_at: secondsOf(expiryMs(claims)) };
  }

  /** The session is bound before it is checked, so that no revocation in between is missed. Throws `invalid_token`. */
  private async admit(
    connection: Connection,
    caller: Caller,
    claims: IdentityClaims,
    requestId?: string | null,
  ): Promise<void> {
    const participant_id = await this.participants.getId(caller.id);
    await this.connections.prepare(participant_id);
    if (!connection.isOpen) return;
    if (connection.isSessionRevoked) throw tokenProblem('invalid_token');
    const expires_at = expiryMs(claims);
    this.connections.authenticate(connection, { user_id: caller.id, participant_id, expires_at });
    if (!connection.isOpen) return;
    if (connection.isV2) connection.send(successText('hello', this.hello(caller, expires_at), requestId));
    connection.resumeReading();
  }

  private hello({ id, profile: { username, fullname } }: Caller, expiresAt: number): HelloDto {
    const server_time = this.clock.seconds();
    return { user: { id, username, fullname }, expires_at: secondsOf(expiresAt), server_time, limits: LIMITS };
  }
}

const expiryMs = (claims: IdentityClaims): number => expiryOf(claims)?.getTime() ?? Infinity;
