import { Controller, Get, Header, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { VERSION } from '../common/version.js';
import { requestContext } from '../http/log/request-context.js';
import { ApiProblems, Public } from '../permissions/access.decorators.js';
import { SkipRequestLimit } from '../rate-limit/rate-limit.decorator.js';
import { ClientDto, HealthDto, ReadyDto, StatusDto } from './health.dto.js';
import { HealthService } from './health.service.js';

@ApiTags('health')
@Controller()
@Public()
@SkipRequestLimit(true)
export class HealthController {
  constructor(private readonly health: HealthService) {}

  /** Returns the version and the state of this process: its database, its storage and other checks. */
  @Get('health')
  @ApiOperation({ operationId: 'getHealth' })
  @ApiProblems('not_ready')
  async all(): Promise<HealthDto> {
    return { status: 'ok', version: VERSION, checks: await this.health.assertReady() };
  }

  /** Answers while the process is running. */
  @Get('health/live')
  @ApiOperation({ operationId: 'getLiveness' })
  live(): StatusDto {
    return { status: 'ok' };
  }

  /** Answers 200 when this process can serve requests, else 503. */
  @Get('health/ready')
  @ApiOperation({ operationId: 'getReadiness' })
  @ApiProblems('not_ready')
  async ready(): Promise<ReadyDto> {
    return { status: 'ok', checks: await this.health.assertReady() };
  }

  /** Returns the address under which this process sees the caller, to check the proxy in front of it. */
  @Get('health/client')
  @ApiOperation({ operationId: 'getClientAddress' })
  client(@Req() request: Request): ClientDto {
    const isTrusted = request.ip !== request.socket.remoteAddress;
    const forwarded = request.headers['x-forwarded-for'] === undefined ? 'none' : isTrusted ? 'trusted' : 'ignored';
    return { address: requestContext()?.ip ?? null, forwarded };
  }

  /** Answers `pong`. */
  @Get('misc/ping')
  @ApiOperation({ operationId: 'ping' })
  @Header('content-type', 'text/plain; charset=utf-8')
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string', example: 'pong' } } } })
  ping(): string {
    return 'pong';
  }
}
