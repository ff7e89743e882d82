import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { SignedIn } from './access.decorators.js';
import { PermissionDto } from './permissions.dto.js';
import { PERMISSION_NAMES, PERMISSIONS } from './permissions.js';

@ApiTags('groups')
@Controller('permissions')
export class PermissionsController {
  /** Returns all permissions that groups can grant, with their meaning. */
  @Get()
  @ApiOperation({ operationId: 'listPermissions' })
  @SignedIn()
  list(): PermissionDto[] {
    return PERMISSION_NAMES.map((name) => ({ name, description: PERMISSIONS[name] }));
  }
}
