import { Body, Controller, Delete, HttpCode, Patch } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { UuidParam } from '../http/validation.js';
import { ApiProblems, RequirePermissions } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import { toUserDto, UserDto } from '../users/users.dto.js';
import { UpdateUserDto } from './account.dto.js';
import { UserAdministrationService } from './user-administration.service.js';

/** What administrators change about users. */
@ApiTags('users')
@Controller('users/:id')
@RequirePermissions('admin')
export class UserAdministrationController {
  constructor(private readonly administration: UserAdministrationService) {}

  /** Renames, deactivates or reactivates a user. */
  @Patch()
  @ApiOperation({ operationId: 'updateUser' })
  @ApiProblems('user_not_found', 'username_taken', 'last_administrator')
  async update(
    @CurrentUser() caller: Caller,
    @UuidParam('id') id: string,
    @Body() dto: UpdateUserDto,
  ): Promise<UserDto> {
    return toUserDto(await this.administration.update(caller, id, dto));
  }

  /** Resets the failed sign-ins of a user, so that the user can sign in at once. */
  @Delete('lock')
  @ApiOperation({ operationId: 'unlockUser' })
  @HttpCode(204)
  @ApiProblems('user_not_found')
  unlock(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.administration.unlock(caller, id);
  }

  /** Deletes a user permanently. */
  @Delete()
  @ApiOperation({ operationId: 'deleteUser' })
  @HttpCode(204)
  @ApiProblems('user_not_found', 'last_administrator')
  remove(@CurrentUser() caller: Caller, @UuidParam('id') id: string): Promise<void> {
    return this.administration.remove(caller, id);
  }
}
