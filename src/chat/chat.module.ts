import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ChatController } from './chat.controller.js';
import { ChatGateway } from './chat.gateway.js';
import { ConversationsService } from './conversations/conversations.service.js';
import { Dispatcher } from './events/dispatcher.js';
import { EVENTS } from './events/events.js';
import { Members } from './messages/members.js';
import { MessagesService } from './messages/messages.service.js';
import { Outbox } from './messages/outbox.js';
import { Postman } from './messages/postman.js';
import { ChatNodeService } from './people/chat-node.service.js';
import { ContactsService } from './people/contacts.service.js';
import { Presences } from './people/presences.service.js';
import { Connections } from './sockets/connections.js';
import { Delivery } from './sockets/delivery.js';

@Module({
  imports: [AuthModule],
  controllers: [ChatController],
  providers: [
    ChatGateway,
    ChatNodeService,
    Connections,
    ContactsService,
    ConversationsService,
    Delivery,
    Dispatcher,
    Members,
    MessagesService,
    Outbox,
    Postman,
    Presences,
    ...Object.values(EVENTS),
  ],
})
export class ChatModule {}
