import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { RegistrationService } from '../../account/registration.service.js';
import type { Device } from '../../auth/sessions/device.js';
import { SignInService } from '../../auth/sign-in.service.js';
import { Problem } from '../../http/problems/problem.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { assertValid } from '../../http/validation.js';
import { PasswordResetsService } from '../../auth/passwords/password-resets.service.js';
import type { Caller } from '../../users/caller.js';
import type { Profile } from '../../users/profile.js';
import { UsersService } from '../../users/users.service.js';
import {
  type BackendUserCodeDto,
  BackendUserCreateDto,
  type BackendUserDto,
  BackendUserEmailDto,
  BackendUserLoginDto,
  type BackendUserMessageDto,
  type BackendUserProfileDto,
  type BackendUserResetDto,
  type BackendUserTokenDto,
} from './backend-user.dto.js';

/** The vaccine registration documents 400 for these problems. */
const CODES_OF_400: Partial<Record<ProblemCode, ProblemCode>> = {
  email_taken: 'already_registered',
  invalid_credentials: 'login_refused',
};

const USER_ROLE = 1;
const STAFF_ROLE = 2;

/** A field of a form or of JSON; empty for what is no text. */
const toText = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Codes have eight digits. A client that sends one as a number has lost the zeros in front. */
const toCode = (value: unknown): string => (typeof value === 'number' ? String(value).padStart(8, '0') : toText(value));

const throwAs400 = (error: unknown): never => {
  const code = error instanceof Problem ? CODES_OF_400[error.code] : undefined;
  throw code ? new Problem(code) : error;
};

/** Converts between the documented formats of the vaccine registration and Machi's services. */
@Injectable()
export class BackendUserService {
  constructor(
    private readonly users: UsersService,
    private readonly registration: RegistrationService,
    private readonly signIns: SignInService,
    private readonly resets: PasswordResetsService,
  ) {}

  /**
   * Registers a user with a random username, since there are no usernames in the vaccine registration and addresses are
   * private. The registration form sends an empty address for none. Throws `already_registered`, `password_refused`.
   */
  async create(body: object = {}): Promise<BackendUserDto> {
    const { name: fullname, ...fields } = assertValid(BackendUserCreateDto, body);
    const username = `user-${randomBytes(6).toString('hex')}`;
    return this.toDto(await this.registration.register({ ...fields, fullname, username }).catch(throwAs400));
  }

  /** Throws `login_refused` and the problems of signing in. `earlierTokens` are tokens of earlier sessions. */
  async login(body: object, device: Device, earlierTokens: string[]): Promise<BackendUserTokenDto> {
    const { username: login, password } = assertValid(BackendUserLoginDto, body);
    const signedIn = this.signIns.signIn({ login, password }, device, earlierTokens);
    const { identity_token, token_type } = await signedIn.catch(throwAs400);
    return { access_token: identity_token, token_type };
  }

  /** The caller's profile, with the national id and the role that the administrators' site of the vaccine registration reads. */
  async profile({ profile, permissions }: Caller): Promise<BackendUserProfileDto> {
    const role_id = permissions.verify_registrations ? STAFF_ROLE : USER_ROLE; // admin implies all permissions
    return { ...(await this.toDto(profile)), role_id };
  }

  /** Mails a reset code if a user has this address. */
  async forgot(body: object): Promise<BackendUserMessageDto> {
    await this.resets.request(assertValid(BackendUserEmailDto, body).email);
    return { message: 'If a user has this address, a code has been mailed to it.' };
  }

  /** Exchanges a mailed code for a reset token. Throws `invalid_code`, also for missing and malformed fields. */
  async validate(body: object): Promise<BackendUserResetDto> {
    const { email, code_from_user } = body as Partial<Record<keyof BackendUserCodeDto, unknown>>;
    const reset_token = await this.resets.validate(toText(email), toCode(code_from_user));
    return { message: 'Set a new password with the reset token: PUT /api/password-resets.', reset_token };
  }

  /** The user with the national id, for its owner only. */
  private async toDto(profile: Profile): Promise<BackendUserDto> {
    const { id, fullname: name, email, phone_number, address } = profile;
    const nid = await this.users.findNationalId(id);
    return { id, name, email, nid, verified: profile.email_verified_at !== null, phone_number, address };
  }
}
