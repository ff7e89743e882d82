import { Body, Controller, Patch, UploadedFile, UseInterceptors } from '@nestjs/common';
import { ApiConsumes, ApiExtension, ApiExtraModels, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { UpdateMeDto } from '../account/account.dto.js';
import { ProfileService } from '../account/profile.service.js';
import { AcceptsBody } from '../http/bodies/body.guard.js';
import { ApiProblems, SignedIn } from '../permissions/access.decorators.js';
import { type Caller, CurrentUser } from '../users/caller.js';
import { toUserDto, UserDto } from '../users/users.dto.js';
import { AvatarFormInterceptor, type UploadedAvatarFile } from './uploads/avatar-form.interceptor.js';
import { UPLOAD_PROBLEMS } from './avatars.controller.js';
import { UpdateProfileDto } from './avatars.dto.js';
import { AvatarsService } from './avatars.service.js';
import { AvatarSlotsInterceptor } from './uploads/avatar-slots.interceptor.js';

/** The caller's profile. Defined here because a form may change the avatar in the same transaction. */
@ApiTags('users')
@Controller('users/me')
export class ProfileController {
  constructor(
    private readonly profiles: ProfileService,
    private readonly avatars: AvatarsService,
  ) {}

  /**
   * Changes the caller's profile, and the avatar when the form has a file. All changes apply or none. A new e-mail address is
   * shown as `pending_email` until the link mailed to it is confirmed, whether or not another user has it.
   */
  @Patch()
  @ApiOperation({ operationId: 'updateMe' })
  @SignedIn()
  @AcceptsBody('multipart')
  @UseInterceptors(AvatarSlotsInterceptor, AvatarFormInterceptor)
  @ApiConsumes('application/json', 'multipart/form-data')
  @ApiExtraModels(UpdateProfileDto)
  @ApiExtension('x-form-body', getSchemaPath(UpdateProfileDto))
  @ApiProblems('username_taken', 'wrong_password', 'sign_in_again', 'busy', ...UPLOAD_PROBLEMS)
  async update(
    @CurrentUser() caller: Caller,
    @Body() dto: UpdateMeDto,
    @UploadedFile() file?: UploadedAvatarFile,
  ): Promise<UserDto> {
    const profile = file
      ? await this.avatars.updateProfile(caller, dto, file.pieces)
      : await this.profiles.update(caller, dto);
    return toUserDto(profile);
  }
}
