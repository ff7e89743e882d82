import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { SignedIn } from './access.decorators.js';
import { PermissionDto } from './permissions.dto.js';
import { PERMISSION_NAMES, PERMISSIONS, UNUSED_PERMISSIONS } from './permissions.js';

@ApiTags('groups')
@Controller('permissions')
export class PermissionsController {
  /** Returns the permissions that groups can grant, with their meaning: those of the features that this build has. */
  @Get()
  @ApiOperation({ operationId: 'listPermissions' })
  @SignedIn()
  list(): PermissionDto[] {
    const names = PERMISSION_NAMES.filter((name) => !UNUSED_PERMISSIONS.includes(name));
    return names.map((name) => ({ name, description: PERMISSIONS[name] }));
  }
}
