import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ChatController } from './chat.controller.js';
import { ChatGateway } from './chat.gateway.js';
import { ConversationsService } from './conversations/conversations.service.js';
import { DispatcherService } from './dispatcher.service.js';
import { EVENTS } from './events.js';
import { MemberCacheService } from './messages/member-cache.service.js';
import { MessagesService } from './messages/messages.service.js';
import { MessageBatchWriterService } from './messages/message-batch-writer.service.js';
import { MessageResultsService } from './messages/message-results.service.js';
import { ChatNodeService } from './presence/chat-node.service.js';
import { ContactsService } from './contacts/contacts.service.js';
import { PresenceService } from './presence/presence.service.js';
import { ConnectionsService } from './connections/connections.service.js';
import { BroadcasterService } from './connections/broadcaster.service.js';

@Module({
  imports: [AuthModule],
  controllers: [ChatController],
  providers: [
    ChatGateway,
    ChatNodeService,
    ConnectionsService,
    ContactsService,
    ConversationsService,
    BroadcasterService,
    DispatcherService,
    MemberCacheService,
    MessagesService,
    MessageBatchWriterService,
    MessageResultsService,
    PresenceService,
    ...Object.values(EVENTS),
  ],
})
export class ChatModule {}
