import { Body, Controller, Delete, HttpCode, Put } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems, SignedIn } from '../permissions/access.decorators.js';
import { SkipChangeLimit } from '../rate-limit/rate-limit.decorator.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import { ChangePasswordDto, PasswordDto } from './account.dto.js';
import { AccountService } from './account.service.js';

/** What users change about their own account. `PATCH users/me` is in `avatars`, because its form may hold an avatar. */
@ApiTags('users')
@Controller('users/me')
export class AccountController {
  constructor(private readonly account: AccountService) {}

  /** Changes the caller's password. Revokes all sessions of the caller, the current one included. */
  @Put('password')
  @ApiOperation({ operationId: 'changePassword' })
  @SignedIn()
  @SkipChangeLimit()
  @HttpCode(204)
  @ApiProblems('wrong_password', 'password_refused', 'rate_limited', 'busy')
  changePassword(@CurrentUser() caller: Caller, @Body() dto: ChangePasswordDto): Promise<void> {
    return this.account.changePassword(caller, dto);
  }

  /** Deletes the caller's account permanently. */
  @Delete()
  @ApiOperation({ operationId: 'deleteMe' })
  @SignedIn()
  @HttpCode(204)
  @ApiProblems('wrong_password', 'last_administrator', 'rate_limited', 'busy')
  remove(@CurrentUser() caller: Caller, @Body() { password }: PasswordDto): Promise<void> {
    return this.account.remove(caller, password);
  }
}
