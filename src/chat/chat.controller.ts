import { Controller, Get } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '../http/problem.js';
import { ApiProblems, Public } from '../permissions/access.decorators.js';

@ApiTags('chat')
@Controller('ws')
export class ChatController {
  /**
   * The chat: WebSocket, raw text frames, one JSON object each; `asyncapi.json` describes them. The upgrade needs the
   * cookie `login-token` or a Bearer header; without, the socket is closed at once, with code 4401.
   */
  @Get()
  @Public()
  @ApiResponse({ status: 101, description: 'The connection is upgraded to WebSocket.' })
  @ApiProblems('websocket_required', 'foreign_origin')
  connect(): never {
    throw new Problem('websocket_required');
  }
}
