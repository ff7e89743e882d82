import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { normaliseLine } from '../../common/text.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { ChangedDto } from '../events/conversation-events.dto.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import {
  AddMembersFrame,
  GetMembersFrame,
  LeaveFrame,
  LeftDto,
  MemberFrame,
  MembersDto,
  RenameFrame,
  SetRoleFrame,
} from './members.dto.js';
import { MembersService } from './members.service.js';

const FOR_REQUESTER = { protocol: MACHI_V2, sentTo: 'the requester' } as const;

/** Events about the members of conversations. Changes are told to all members as `conversation_event`. */
@WebSocketGateway({ path: CHAT_PATH })
export class MembersGateway {
  constructor(
    private readonly members: MembersService,
    private readonly connections: ConnectionsService,
  ) {}

  @SubscribeMessage('get_members')
  @ChatEvent({
    summary: 'Returns members of a conversation with their roles, in alphabetical order, deleted users last.',
    request: GetMembersFrame,
    response: MembersDto,
    isLarge: true,
    ...FOR_REQUESTER,
  })
  async list({ session }: Connection, { conversation_id, after }: GetMembersFrame): Promise<MembersDto> {
    return { conversation_id, members: await this.members.list(session.participant_id, conversation_id, after ?? '') };
  }

  @SubscribeMessage('add_members')
  @ChatEvent({
    summary: 'Adds users to a conversation. They see what is written from then on.',
    request: AddMembersFrame,
    response: ChangedDto,
    ...FOR_REQUESTER,
  })
  add({ session }: Connection, { conversation_id, members }: AddMembersFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.members.add(session, conversation_id, members);
  }

  @SubscribeMessage('remove_member')
  @ChatEvent({
    summary: 'Removes a member from a conversation.',
    request: MemberFrame,
    response: ChangedDto,
    ...FOR_REQUESTER,
  })
  remove({ session }: Connection, { conversation_id, username }: MemberFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.members.remove(session, conversation_id, username);
  }

  @SubscribeMessage('set_role')
  @ChatEvent({
    summary: 'Gives a member of a conversation another role.',
    request: SetRoleFrame,
    response: ChangedDto,
    ...FOR_REQUESTER,
  })
  setRole({ session }: Connection, { conversation_id, username, role }: SetRoleFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.members.setRole(session, conversation_id, username, role);
  }

  @SubscribeMessage('rename')
  @ChatEvent({
    summary: 'Gives a conversation another name.',
    request: RenameFrame,
    response: ChangedDto,
    ...FOR_REQUESTER,
  })
  rename({ session }: Connection, { conversation_id, name }: RenameFrame): Promise<ChangedDto> {
    this.connections.checkSend(session.participant_id);
    return this.members.rename(session, conversation_id, normaliseLine(name));
  }

  @SubscribeMessage('leave')
  @ChatEvent({
    summary: 'Removes the caller from a conversation. Its messages stay.',
    request: LeaveFrame,
    response: LeftDto,
    ...FOR_REQUESTER,
  })
  async leave({ session }: Connection, { conversation_id }: LeaveFrame): Promise<LeftDto> {
    await this.members.leave(session, conversation_id);
    return { conversation_id };
  }
}
