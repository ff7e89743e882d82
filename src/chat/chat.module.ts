import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from '../auth/auth.module.js';
import { BlocksController } from './blocks/blocks.controller.js';
import { BlocksGateway } from './blocks/blocks.gateway.js';
import { BlocksService } from './blocks/blocks.service.js';
import { ChatController } from './chat.controller.js';
import { AdmissionService } from './connections/admission.service.js';
import { BroadcasterService } from './connections/broadcaster.service.js';
import { ChatQuotasService } from './connections/chat-quotas.service.js';
import { ConnectionsGateway } from './connections/connections.gateway.js';
import { ConnectionsService } from './connections/connections.service.js';
import { CHAT_GATEWAYS, FrameDispatcherService } from './connections/frame-dispatcher.service.js';
import { Participant } from './connections/participant.entity.js';
import { ParticipantsService } from './connections/participants.service.js';
import { ChatUsersService } from './contacts/chat-users.service.js';
import { ContactRequestsService } from './contacts/contact-requests.service.js';
import { ContactsController } from './contacts/contacts.controller.js';
import { ContactsGateway } from './contacts/contacts.gateway.js';
import { ContactsService } from './contacts/contacts.service.js';
import { ConversationMember } from './conversations/conversation-member.entity.js';
import { ConversationsController } from './conversations/conversations.controller.js';
import { ConversationsGateway } from './conversations/conversations.gateway.js';
import { ConversationsService } from './conversations/conversations.service.js';
import { MemberCacheService } from './messages/member-cache.service.js';
import { MessageBatchWriterService } from './messages/message-batch-writer.service.js';
import { MessageDeliveryService } from './messages/message-delivery.service.js';
import { MessageQueueService } from './messages/message-queue.service.js';
import { MessagesGateway } from './messages/messages.gateway.js';
import { MessagesService } from './messages/messages.service.js';
import { ChatNodeService } from './presence/chat-node.service.js';
import { PresenceService } from './presence/presence.service.js';

/** The gateways of the chat. Their events are dispatched and documented in this order. */
export const GATEWAYS = [ConnectionsGateway, ContactsGateway, ConversationsGateway, MessagesGateway, BlocksGateway];

@Module({
  imports: [AuthModule, TypeOrmModule.forFeature([Participant, ConversationMember])],
  controllers: [ChatController, ConversationsController, ContactsController, BlocksController],
  providers: [
    AdmissionService,
    BlocksService,
    BroadcasterService,
    ChatNodeService,
    ChatQuotasService,
    ChatUsersService,
    ConnectionsService,
    ContactRequestsService,
    ContactsService,
    ConversationsService,
    FrameDispatcherService,
    MemberCacheService,
    MessageBatchWriterService,
    MessageDeliveryService,
    MessageQueueService,
    MessagesService,
    ParticipantsService,
    PresenceService,
    ...GATEWAYS,
    { provide: CHAT_GATEWAYS, inject: GATEWAYS, useFactory: (...gateways: object[]) => gateways },
  ],
})
export class ChatModule {}
