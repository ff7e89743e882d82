import { Controller, Get } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '../common/problem.js';
import { Problems, Public } from '../permissions/access.js';

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
  @Problems('websocket_required', 'foreign_origin')
  connect(): never {
    throw new Problem('websocket_required');
  }
}
