import { DataSource } from 'typeorm';
import { migrations } from '../../migrations/index.js';
import { AuditEvent } from '../audit/audit-event.entity.js';
import { KnownDevice } from '../auth/sessions/known-device.entity.js';
import { Session } from '../auth/sessions/session.entity.js';
import { AvatarRemoval } from '../avatars/avatar-removal.entity.js';
import { Avatar } from '../avatars/avatar.entity.js';
import { RejectedImage } from '../avatars/moderation/rejected-image.entity.js';
import { AttachmentRemoval } from '../chat/attachments/attachment-removal.entity.js';
import { Attachment } from '../chat/attachments/attachment.entity.js';
import { Block } from '../chat/blocks/block.entity.js';
import { Conversation } from '../chat/conversations/conversation.entity.js';
import { ConversationMember } from '../chat/conversations/conversation-member.entity.js';
import { ConversationEvent } from '../chat/events/conversation-event.entity.js';
import { Message } from '../chat/messages/message.entity.js';
import { MessageSearchPosition } from '../chat/search/message-search-position.entity.js';
import { MessageText } from '../chat/search/message-text.entity.js';
import { MessageReaction } from '../chat/message-changes/message-reaction.entity.js';
import { MessageVersion } from '../chat/message-changes/message-version.entity.js';
import { ChatNode } from '../chat/presence/chat-node.entity.js';
import { Contact } from '../chat/contacts/contact.entity.js';
import { ContactRequest } from '../chat/contacts/contact-request.entity.js';
import { Participant } from '../chat/connections/participant.entity.js';
import { Presence } from '../chat/presence/presence.entity.js';
import { PushDelivery } from '../chat/push/push-delivery.entity.js';
import { PushMessage } from '../chat/push/push-message.entity.js';
import { PushSubscription } from '../chat/push/subscriptions/push-subscription.entity.js';
import type { DatabaseConnection } from '../config/database/database-connection.js';
import { GroupMember } from '../groups/group-member.entity.js';
import { Group } from '../groups/group.entity.js';
import { AcceptedIssuer } from '../auth/external-identities/accepted-issuer.entity.js';
import { ExternalIdentity } from '../auth/external-identities/external-identity.entity.js';
import { RateLimitCounter } from '../rate-limit/counters/rate-limit-counter.entity.js';
import { Mail } from '../mail/mail.entity.js';
import { MethodRemovalLink } from '../auth/recovery/method-removal-link.entity.js';
import { PasswordSignIn } from '../auth/recovery/password-sign-in.entity.js';
import { PasswordReset } from '../auth/passwords/password-reset.entity.js';
import { EmailVerification } from '../account/email/email-verification.entity.js';
import { DataExport } from '../account/exports/data-export.entity.js';
import { User } from '../users/user.entity.js';
import { PasskeyChallenge } from '../auth/passkeys/passkey-challenge.entity.js';
import { Passkey } from '../auth/passkeys/passkey.entity.js';
import { TwoFactorChallenge } from '../auth/two-factor/two-factor-challenge.entity.js';
import { TwoFactor } from '../auth/two-factor/two-factor.entity.js';
import { AdverseEvent } from '../vaccination/adverse-events/adverse-event.entity.js';
import { Appointment } from '../vaccination/appointments/appointment.entity.js';
import { BookingRequest } from '../vaccination/appointments/booking-request.entity.js';
import { Centre } from '../vaccination/centres/centre.entity.js';
import { CentreStaffMember } from '../vaccination/centres/centre-staff-member.entity.js';
import { Certificate } from '../vaccination/certificates/certificate.entity.js';
import { Dose } from '../vaccination/doses/dose.entity.js';
import { Lot } from '../vaccination/lots/lot.entity.js';
import { Notice } from '../vaccination/messages/notice.entity.js';
import { Reminder } from '../vaccination/messages/reminder.entity.js';
import { Recall } from '../vaccination/lots/recall.entity.js';
import { Registration } from '../vaccination/registrations/registration.entity.js';
import { VaccinationSession } from '../vaccination/sessions/vaccination-session.entity.js';
import { Vaccine } from '../vaccination/vaccines/vaccine.entity.js';
import { WaitlistEntry } from '../vaccination/waitlist/waitlist-entry.entity.js';
import { ChapterReleaseGroup } from '../projects/chapters/chapter-release-group.entity.js';
import { Chapter } from '../projects/chapters/chapter.entity.js';
import { ReleaseGroup } from '../projects/chapters/release-group.entity.js';
import { ProjectRevision } from '../projects/projects/project-revision.entity.js';
import { ProjectSlug } from '../projects/projects/project-slug.entity.js';
import { Project } from '../projects/projects/project.entity.js';
import { AnnouncementRead } from '../projects/announcements/announcement-read.entity.js';
import { Announcement } from '../projects/announcements/announcement.entity.js';
import { PageRemoval } from '../projects/pages/page-removal.entity.js';
import { Page } from '../projects/pages/page.entity.js';
import { Report } from '../projects/moderation/report.entity.js';
import { UploadFile } from '../projects/uploads/files/upload-file.entity.js';
import { Upload } from '../projects/uploads/upload.entity.js';
import { FeedToken } from '../projects/feed-tokens/feed-token.entity.js';
import { ChapterProgress } from '../projects/reading/chapter-progress.entity.js';
import { ProjectBookmark } from '../projects/reading/project-bookmark.entity.js';
import { AfterCommitSubscriber } from './after-commit.js';
import { clientConfig, type SessionOptions, UnnamedStatementsClient } from './connections/client-config.js';

/** All entities. `npm run migration:generate` compares them with the migrations. */
export const entities = [
  User,
  Group,
  GroupMember,
  Session,
  AuditEvent,
  RateLimitCounter,
  Mail,
  PasswordReset,
  PasswordSignIn,
  MethodRemovalLink,
  EmailVerification,
  DataExport,
  KnownDevice,
  ExternalIdentity,
  AcceptedIssuer,
  TwoFactor,
  TwoFactorChallenge,
  Passkey,
  PasskeyChallenge,
  Avatar,
  AvatarRemoval,
  RejectedImage,
  Participant,
  Contact,
  ContactRequest,
  Block,
  ChatNode,
  Presence,
  PushSubscription,
  PushMessage,
  PushDelivery,
  Conversation,
  ConversationMember,
  ConversationEvent,
  Message,
  MessageVersion,
  Attachment,
  AttachmentRemoval,
  MessageReaction,
  MessageText,
  MessageSearchPosition,
  Vaccine,
  Centre,
  CentreStaffMember,
  Lot,
  Recall,
  VaccinationSession,
  Registration,
  Appointment,
  BookingRequest,
  WaitlistEntry,
  Dose,
  AdverseEvent,
  Certificate,
  Project,
  ProjectSlug,
  ProjectRevision,
  Chapter,
  ReleaseGroup,
  ChapterReleaseGroup,
  ProjectBookmark,
  ChapterProgress,
  FeedToken,
  Notice,
  Reminder,
  Report,
  Page,
  PageRemoval,
  Announcement,
  AnnouncementRead,
  Upload,
  UploadFile,
];

interface PoolOptions extends SessionOptions {
  /** The maximum number of connections. */
  size: number;
}

/** A data source that is not initialized. `isWanted` selects migrations by their names. */
export function newDataSource(
  connection: DatabaseConnection,
  { size, ...session }: PoolOptions,
  isWanted: (name: string) => boolean = () => true,
): DataSource {
  return new DataSource({
    type: 'postgres',
    entities,
    migrations: migrations.filter((migration) => isWanted(new migration().name)),
    migrationsTableName: 'migrations',
    subscribers: [AfterCommitSubscriber],
    installExtensions: false, // migrations create them; the role may not have the right to
    uuidExtension: 'pgcrypto',
    poolSize: size,
    extra: {
      ...clientConfig(connection, session),
      idleTimeoutMillis: 60_000,
      ...(session.isPooled ? { Client: UnnamedStatementsClient } : {}),
    },
  });
}
