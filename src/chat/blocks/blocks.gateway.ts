import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { BlockedUserDto, BlockFrame } from './blocks.dto.js';
import { BlocksService } from './blocks.service.js';

/** Events about blocked users. */
@WebSocketGateway({ path: CHAT_PATH })
export class BlocksGateway {
  constructor(private readonly blocks: BlocksService) {}

  @SubscribeMessage('block')
  @ChatEvent({
    summary: 'Blocks a user. The user is not notified.',
    request: BlockFrame,
    response: BlockedUserDto,
    protocol: MACHI_V2,
    sentTo: 'the requester',
  })
  async block({ session }: Connection, { username }: BlockFrame): Promise<BlockedUserDto> {
    return { username: await this.blocks.add(session, username) };
  }

  @SubscribeMessage('unblock')
  @ChatEvent({
    summary: 'Unblocks a user. The two do not become contacts again.',
    request: BlockFrame,
    response: BlockedUserDto,
    protocol: MACHI_V2,
    sentTo: 'the requester',
  })
  async unblock({ session }: Connection, { username }: BlockFrame): Promise<BlockedUserDto> {
    return { username: await this.blocks.remove(session, username) };
  }
}
