import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { RegistrationService } from '../../account/registration.service.js';
import type { Device } from '../../auth/sessions/device.js';
import { SessionRefreshService } from '../../auth/sessions/session-refresh.service.js';
import { RefreshTokenDto, type SessionDto } from '../../auth/sessions/sessions.dto.js';
import { SessionsService } from '../../auth/sessions/sessions.service.js';
import { SignInService } from '../../auth/sign-in.service.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { assertValid } from '../../http/validation.js';
import type { Profile } from '../../users/profile.js';
import { KitsuCredentialsDto, type KitsuTokensDto } from './kitsu.dto.js';

const MAX_ATTEMPTS = 5;

/** Registers users of the anime site and signs them in by e-mail address. */
@Injectable()
export class KitsuService {
  constructor(
    private readonly registration: RegistrationService,
    private readonly signIns: SignInService,
    private readonly sessions: SessionsService,
    private readonly refreshes: SessionRefreshService,
  ) {}

  /** Registers a user and opens a session. Throws `email_taken`, `password_refused`, `busy`. */
  async register(body: object = {}, device: Device): Promise<KitsuTokensDto> {
    const { id: userId } = await this.registerWithNewUsername(assertValid(KitsuCredentialsDto, body));
    const session = await this.signIns.openSession({ userId }, device, { by: 'registration' });
    if (!session) throw new Problem('invalid_credentials'); // deactivated or deleted in the meantime
    return toTokensDto(session);
  }

  /** `earlierTokens` are tokens of earlier sessions. Throws `validation_failed` and the problems of signing in. */
  async login(body: object, device: Device, earlierTokens: string[]): Promise<KitsuTokensDto> {
    const { email: login, password } = assertValid(KitsuCredentialsDto, body);
    return toTokensDto(await this.signIns.signIn({ login, password }, device, earlierTokens));
  }

  /** Rotates the refresh token. Throws `invalid_token`, `token_expired`, `token_reused`. */
  async refresh(body: object | undefined, device: Device): Promise<KitsuTokensDto> {
    const { refresh_token } = assertValid(RefreshTokenDto, body ?? {});
    return toTokensDto(await this.refreshes.refresh(refresh_token, device));
  }

  /** Ends the session of a refresh token; repeating it succeeds. Throws `invalid_token`. */
  async logout(body: object = {}): Promise<void> {
    await this.sessions.signOut(assertValid(RefreshTokenDto, body).refresh_token);
  }

  /** The anime site asks for no username: it is made from the local part of the address, with a suffix if it is taken. */
  private async registerWithNewUsername({ email, password }: KitsuCredentialsDto): Promise<Profile> {
    const base = usernameFrom(email);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const username = attempt === 0 ? base : `${base.slice(0, 21)}-${randomBytes(4).toString('hex')}`;
      const user = { username, email, password, fullname: username };
      const profile = await this.registration.register(user).catch((error: unknown) => {
        if (error instanceof Problem && error.code === 'username_taken') return null;
        throw error;
      });
      if (profile) return profile;
    }
    throw unavailable('busy');
  }
}

/** A valid username that resembles the local part of an address. */
function usernameFrom(email: string): string {
  const local = email.slice(0, email.lastIndexOf('@')).replaceAll(/[^A-Za-z0-9._-]/g, '-');
  return local.slice(0, 30).padEnd(3, '-');
}

const toTokensDto = ({ identity_token, refresh_token }: SessionDto): KitsuTokensDto => ({
  access_token: identity_token,
  refresh_token,
  token_type: 'bearer',
});
