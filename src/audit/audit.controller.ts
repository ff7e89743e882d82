import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems, RequirePermissions } from '../permissions/access.decorators.js';
import { AuditPageDto, AuditQueryDto } from './audit.dto.js';
import { AuditService } from './audit.service.js';

@ApiTags('audit')
@Controller('audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  /** Returns audit events, newest first. */
  @Get()
  @ApiOperation({ operationId: 'listAuditEvents' })
  @RequirePermissions('admin')
  @ApiProblems('invalid_cursor')
  list(@Query() query: AuditQueryDto): Promise<AuditPageDto> {
    return this.audit.list(query);
  }
}
