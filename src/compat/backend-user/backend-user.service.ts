import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { randomBytes } from 'node:crypto';
import { RegistrationService } from '../../account/registration.service.js';
import { shownToken } from '../../auth/authenticator.service.js';
import { deviceOf } from '../../auth/sessions/device.js';
import { SignInService } from '../../auth/sign-in.service.js';
import { Problem } from '../../http/problem.js';
import type { ProblemCode } from '../../http/problem-catalogue.js';
import { assertValid } from '../../http/validation.js';
import { PasswordResetsService } from '../../auth/passwords/password-resets.service.js';
import type { Profile } from '../../users/profile.js';
import { UsersService } from '../../users/users.service.js';
import {
  BackendUserCodeDto,
  BackendUserCreateDto,
  BackendUserEmailDto,
  BackendUserLoginDto,
  type BackendUserMessageDto,
  type BackendUserProfileDto,
  type BackendUserResetDto,
  type BackendUserTokenDto,
} from './backend-user.dto.js';

/** The vaccine registration answers 400 where Machi has a status of its own. */
const AS_400: Partial<Record<ProblemCode, ProblemCode>> = {
  email_taken: 'already_registered',
  invalid_credentials: 'login_refused',
};

const as400 = (error: unknown): never => {
  const code = error instanceof Problem ? AS_400[error.code] : undefined;
  throw code ? new Problem(code) : error;
};

@Injectable()
export class BackendUserService {
  constructor(
    private readonly users: UsersService,
    private readonly registration: RegistrationService,
    private readonly signIns: SignInService,
    private readonly resets: PasswordResetsService,
  ) {}

  /** People have no username there, and an address is nothing to make a public one of. Raises `already_registered`. */
  async create(body: object = {}): Promise<BackendUserProfileDto> {
    const { name: fullname, ...fields } = assertValid(BackendUserCreateDto, body);
    const username = `user-${randomBytes(6).toString('hex')}`;
    return this.profile(await this.registration.register({ ...fields, fullname, username }).catch(as400));
  }

  /** Raises `login_refused`, and what signing in raises. */
  async login(request: Request): Promise<BackendUserTokenDto> {
    const { username: login, password } = assertValid(BackendUserLoginDto, request.body as object);
    const signedIn = this.signIns.signIn({ login, password }, deviceOf(request), shownToken(request));
    const { identity_token, token_type } = await signedIn.catch(as400);
    return { access_token: identity_token, token_type };
  }

  /** For the person themself: nobody else gets to see the national id. */
  async profile(profile: Profile): Promise<BackendUserProfileDto> {
    const { id, fullname: name, email, phone_number, address } = profile;
    const nid = await this.users.findNationalId(id);
    return { id, name, email, nid, verified: profile.email_verified_at !== null, phone_number, address };
  }

  async forgot(body: object): Promise<BackendUserMessageDto> {
    await this.resets.request(assertValid(BackendUserEmailDto, body).email);
    return { message: 'If somebody has this address, a code is on its way to it.' };
  }

  /** Raises `invalid_code`. */
  async validate(body: object): Promise<BackendUserResetDto> {
    const { email, code_from_user } = assertValid(BackendUserCodeDto, body);
    const reset_token = await this.resets.validate(email, code_from_user);
    return { message: 'Set a new password with the reset token: PUT /api/password-resets.', reset_token };
  }
}
