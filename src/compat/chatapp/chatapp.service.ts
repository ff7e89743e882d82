import { Injectable } from '@nestjs/common';
import { RegistrationService } from '../../account/registration.service.js';
import { IDENTITY_COOKIE } from '../../auth/tokens/request-tokens.js';
import type { Device } from '../../auth/sessions/device.js';
import { SignInService } from '../../auth/sign-in.service.js';
import { cookiePath } from '../../http/log/request-context.js';
import { assertValid } from '../../http/validation.js';
import { CreateUserDto } from '../../users/users.dto.js';
import { maxAgeOf } from '../../auth/tokens/cookie-age.js';
import { stringFields } from './chatapp.dto.js';

/** Converts between the documented formats of the chat app and Machi's services. */
@Injectable()
export class ChatappService {
  constructor(
    private readonly registration: RegistrationService,
    private readonly signIns: SignInService,
  ) {}

  /** Throws the problems of the chat app's document, then those of registration. */
  async register(body: object): Promise<void> {
    const fields = stringFields(body, 'username', 'password', 'fullname');
    await this.registration.register(assertValid(CreateUserDto, fields));
  }

  /**
   * Returns the `Set-Cookie` header of a successful sign-in. `earlierTokens` are tokens of earlier sessions. Throws the
   * problems of the chat app's document, then those of signing in.
   */
  async login(body: object, device: Device, earlierTokens: string[]): Promise<string> {
    const { username: login, password } = stringFields(body, 'username', 'password');
    const { identity_token } = await this.signIns.signIn({ login, password }, device, earlierTokens);
    const attributes = `HttpOnly; Max-Age=${maxAgeOf(identity_token)}; Path=${cookiePath()}; Secure; SameSite=Lax`;
    return `${IDENTITY_COOKIE}=${identity_token}; ${attributes}`;
  }
}
