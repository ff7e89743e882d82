import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { BusModule } from '../bus/bus.module.js';
import { ImagesModule } from '../images/images.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { UsersModule } from '../users/users.module.js';
import { AttachmentFilesService } from './attachments/attachment-files.service.js';
import { AttachmentFilesWorker } from './attachments/attachment-files.worker.js';
import { AttachmentRemoval } from './attachments/attachment-removal.entity.js';
import { AttachmentTokensService } from './attachments/attachment-tokens.service.js';
import { Attachment } from './attachments/attachment.entity.js';
import { AttachmentsController } from './attachments/attachments.controller.js';
import { AttachmentsService } from './attachments/attachments.service.js';
import { BlocksController } from './blocks/blocks.controller.js';
import { BlocksGateway } from './blocks/blocks.gateway.js';
import { BlocksService } from './blocks/blocks.service.js';
import { ChatPersonalDataService } from './chat-personal-data.service.js';
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
import { ConversationsGateway } from './conversations/conversations.gateway.js';
import { ConversationsService } from './conversations/conversations.service.js';
import { EventDeliveryService } from './delivery/event-delivery.service.js';
import { FollowedConversationsService } from './delivery/followed-conversations.service.js';
import { GapRepairService } from './delivery/gap-repair.service.js';
import { MemberCacheService } from './delivery/member-cache.service.js';
import { MembershipsService } from './delivery/memberships.service.js';
import { MessageBroadcasterService } from './delivery/message-broadcaster.service.js';
import { MissedMessagesService } from './delivery/missed-messages.service.js';
import { PushesService } from './delivery/pushes.service.js';
import { RemoteConversationsService } from './delivery/remote-conversations.service.js';
import { ConversationChangesService } from './events/conversation-changes.service.js';
import { ConversationEventsService } from './events/conversation-events.service.js';
import { MembersController } from './members/members.controller.js';
import { MembersGateway } from './members/members.gateway.js';
import { MembersService } from './members/members.service.js';
import { MessageBatchWriterService } from './messages/message-batch-writer.service.js';
import { MessageChangesGateway } from './message-changes/message-changes.gateway.js';
import { MessageChangesService } from './message-changes/message-changes.service.js';
import { MessageDeliveryService } from './messages/message-delivery.service.js';
import { MessageQueueService } from './messages/message-queue.service.js';
import { MessagesController } from './message-changes/messages.controller.js';
import { MessagesGateway } from './messages/messages.gateway.js';
import { MessagesService } from './messages/messages.service.js';
import { ChatNodeService } from './presence/chat-node.service.js';
import { PresenceService } from './presence/presence.service.js';
import { PushAttemptsService } from './push/push-attempts.service.js';
import { PushCandidatesService } from './push/push-candidates.service.js';
import { PushPersonalDataService } from './push/push-personal-data.service.js';
import { PushSenderService } from './push/push-sender.service.js';
import { PushSubscription } from './push/subscriptions/push-subscription.entity.js';
import { PushSubscriptionsService } from './push/subscriptions/push-subscriptions.service.js';
import { PushController } from './push/subscriptions/push.controller.js';
import { PushWorker } from './push/push.worker.js';
import { MessageSearchService } from './search/message-search.service.js';
import { SearchController } from './search/search.controller.js';
import { SearchGateway } from './search/search.gateway.js';
import { ExportController } from './sync/export.controller.js';
import { ConversationsController } from './sync/conversations.controller.js';
import { ReadPositionsService } from './sync/read-positions.service.js';
import { ResumeService } from './sync/resume.service.js';
import { SyncGateway } from './sync/sync.gateway.js';
import { SyncService } from './sync/sync.service.js';
import { UploadProgressGateway } from './uploads/upload-progress.gateway.js';

/** The gateways of the chat. Their events are dispatched and documented in this order. */
export const GATEWAYS = [
  ConnectionsGateway,
  ContactsGateway,
  ConversationsGateway,
  MembersGateway,
  MessagesGateway,
  MessageChangesGateway,
  SyncGateway,
  SearchGateway,
  BlocksGateway,
  UploadProgressGateway,
];

@Module({
  imports: [
    AuditModule,
    AuthModule,
    BusModule,
    ImagesModule,
    StorageModule,
    UsersModule,
    TypeOrmModule.forFeature([Participant, ConversationMember, Attachment, AttachmentRemoval, PushSubscription]),
  ],
  controllers: [
    ChatController,
    ConversationsController,
    MembersController,
    MessagesController,
    SearchController,
    ExportController,
    AttachmentsController,
    ContactsController,
    BlocksController,
    PushController,
  ],
  providers: [
    AdmissionService,
    AttachmentFilesService,
    AttachmentFilesWorker,
    AttachmentTokensService,
    AttachmentsService,
    BlocksService,
    BroadcasterService,
    ChatNodeService,
    ChatPersonalDataService,
    ChatQuotasService,
    ChatUsersService,
    ConnectionsService,
    ContactRequestsService,
    ContactsService,
    ConversationChangesService,
    ConversationEventsService,
    ConversationsService,
    EventDeliveryService,
    FollowedConversationsService,
    FrameDispatcherService,
    GapRepairService,
    MemberCacheService,
    MembershipsService,
    MessageBatchWriterService,
    MessageBroadcasterService,
    MembersService,
    MessageBatchWriterService,
    MessageChangesService,
    MessageDeliveryService,
    MessageQueueService,
    MessageSearchService,
    MessagesService,
    MissedMessagesService,
    ParticipantsService,
    PresenceService,
    PushAttemptsService,
    PushCandidatesService,
    PushPersonalDataService,
    PushSenderService,
    PushSubscriptionsService,
    PushWorker,
    PushesService,
    RemoteConversationsService,
    ReadPositionsService,
    ResumeService,
    SyncService,
    ...GATEWAYS,
    { provide: CHAT_GATEWAYS, inject: GATEWAYS, useFactory: (...gateways: object[]) => gateways },
  ],
})
export class ChatModule {}
