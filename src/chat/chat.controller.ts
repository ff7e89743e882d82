import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '../http/problems/problem.js';
import { ApiProblems, Public } from '../permissions/access.decorators.js';

/** Documents the WebSocket upgrade, and answers requests without an upgrade. */
@ApiTags('chat')
@Controller('ws')
export class ChatController {
  /**
   * Opens the chat over WebSocket. Its frames are described in `asyncapi.json`. The upgrade needs the cookie `login-token`
   * or a Bearer header; without a valid token the connection is closed at once with code 4401.
   */
  @Get()
  @ApiOperation({ operationId: 'connectToChat' })
  @Public()
  @ApiResponse({ status: 101, description: 'The connection is upgraded to WebSocket.' })
  @ApiProblems('websocket_required', 'foreign_origin')
  connect(): never {
    throw new Problem('websocket_required');
  }
}
