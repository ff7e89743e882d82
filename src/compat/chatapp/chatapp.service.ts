import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { RegistrationService } from '../../account/registration.service.js';
import { AuthenticatorService, COOKIE, shownToken } from '../../auth/authenticator.service.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { SignInService } from '../../auth/sign-in.service.js';
import { Clock } from '../../common/clock.provider.js';
import { isForeignOrigin } from '../../http/origin.js';
import { Problem } from '../../http/problem.js';
import { assertValid } from '../../http/validation.js';
import { Config } from '../../config/config.js';
import { CreateUserDto } from '../../users/users.dto.js';
import { stringFields } from './chatapp.dto.js';

/** No browser keeps a cookie for longer (RFC 6265bis, section 5.5). */
const MAX_COOKIE_SECONDS = 400 * 24 * 3600;

@Injectable()
export class ChatappService {
  constructor(
    private readonly registration: RegistrationService,
    private readonly signIns: SignInService,
    private readonly authenticator: AuthenticatorService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Raises what the chat app's document names, then what registering raises. */
  async register(body: object): Promise<void> {
    const fields = stringFields(body, 'username', 'password', 'fullname');
    await this.registration.register(assertValid(CreateUserDto, fields));
  }

  /** The `Set-Cookie` that signs in. Raises `foreign_origin`, and what signing in raises. */
  async login(request: Request): Promise<string> {
    if (isForeignOrigin(request, this.config)) throw new Problem('foreign_origin');
    const { username: login, password } = stringFields(request.body as object, 'username', 'password');
    const session = await this.signIns.signIn({ login, password }, deviceOf(request), shownToken(request));
    const life = ((session.expires_at?.getTime() ?? Infinity) - this.clock.now()) / 1000;
    const maxAge = Math.min(Math.ceil(life), MAX_COOKIE_SECONDS);
    return `${COOKIE}=${session.identity_token}; HttpOnly; Max-Age=${maxAge}; Path=/; Secure; SameSite=Lax`;
  }

  /** Raises `token_required`, `invalid_token`, `token_expired`. */
  async greet(request: Request): Promise<string> {
    const { profile } = await this.authenticator.authenticate(request);
    return `Hello, ${profile.username}`;
  }
}
