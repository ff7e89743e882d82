import { Init1795257000000 } from './1795257000000-init.js';
import { RefreshAndAudit1795264000000 } from './1795264000000-refresh-and-audit.js';
import { SessionEndings1795270000000 } from './1795270000000-session-endings.js';
import { Limits1795271000000 } from './1795271000000-limits.js';
import { MailsAndResets1795272000000 } from './1795272000000-mails-and-resets.js';
import { ExternalIdentities1795273000000 } from './1795273000000-external-identities.js';
import { TwoStepAndPasskeys1795274000000 } from './1795274000000-two-step-and-passkeys.js';
import { Avatars1795275000000 } from './1795275000000-avatars.js';
import { Chat1795276000000 } from './1795276000000-chat.js';
import { NationalId1795277000000 } from './1795277000000-national-id.js';
import { StandardNames1796000000000 } from './1796000000000-standard-names.js';
import { MailAndTriggerNames1796001007000 } from './1796001007000-mail-and-trigger-names.js';
import { AccountRecovery1797001000000 } from './1797001000000-account-recovery.js';
import { SessionClients1797002000000 } from './1797002000000-session-clients.js';
import { AuditPartitions1797002001000 } from './1797002001000-audit-partitions.js';
import { ContactRequestsAndBlocks1797003000000 } from './1797003000000-contact-requests-and-blocks.js';
import { SearchFolding1797006000000 } from './1797006000000-search-folding.js';
import { VaccinationCatalogue1798000000000 } from './1798000000000-vaccination-catalogue.js';
import { EncryptedNationalId1801001000000 } from './1801001000000-encrypted-national-id.js';
import { VaccinationPeople1801000000000 } from './1801000000000-vaccination-people.js';
import { CertificateTexts1801003000000 } from './1801003000000-certificate-texts.js';
import { VaccinationMessages1801005000000 } from './1801005000000-vaccination-messages.js';
import { Booking1801002000000 } from './1801002000000-booking.js';
import { ProjectsAndChapters1803001000000 } from './1803001000000-projects-and-chapters.js';
import { Reading1803002000000 } from './1803002000000-reading.js';
import { FeedTokens1803003000000 } from './1803003000000-feed-tokens.js';
import { Reports1803004000000 } from './1803004000000-reports.js';
import { Uploads1807000000000 } from './1807000000000-uploads.js';
import { RecallNotices1805000000000 } from './1805000000000-recall-notices.js';
import { AdverseEvents1805000001000 } from './1805000001000-adverse-events.js';
import { KeptRegistrations1805000002000 } from './1805000002000-kept-registrations.js';
import { Pages1808000001000 } from './1808000001000-pages.js';
import { Covers1808000002000 } from './1808000002000-covers.js';
import { Announcements1808000003000 } from './1808000003000-announcements.js';
import { Recalls1809000000000 } from './1809000000000-recalls.js';
import { StaffIndexes1809000001000 } from './1809000001000-staff-indexes.js';
import { DataExports1809200000000 } from './1809200000000-data-exports.js';
import { ConversationRevisions1809300000000 } from './1809300000000-conversation-revisions.js';
import { NodeLeases1809300001000 } from './1809300001000-node-leases.js';
import { ConversationRoles1809400000000 } from './1809400000000-conversation-roles.js';
import { MessageChanges1809400001000 } from './1809400001000-message-changes.js';
import { MessageSearch1809400002000 } from './1809400002000-message-search.js';
import { ChapterRejectionReason1809500001000 } from './1809500001000-chapter-rejection-reason.js';
import { FasterBatches1809650000000 } from './1809650000000-faster-batches.js';
import { ReadIndexes1809660000000 } from './1809660000000-read-indexes.js';
import { Attachments1809700000000 } from './1809700000000-attachments.js';
import { WebPush1809710000000 } from './1809710000000-web-push.js';
import { GrowthIndexes1809730000000 } from './1809730000000-growth-indexes.js';
import { SingleMessages1809740000000 } from './1809740000000-single-messages.js';
import { PublishedChapters1809750000000 } from './1809750000000-published-chapters.js';
import { AppendLookUps1809760000000 } from './1809760000000-append-look-ups.js';
import { MessageReferences1809770000000 } from './1809770000000-message-references.js';
import { NewestChapters1809780000000 } from './1809780000000-newest-chapters.js';
import { ExpiryIndexes1809790000000 } from './1809790000000-expiry-indexes.js';
import { CounterIndex1809790001000 } from './1809790001000-counter-index.js';
import { PhoneIndex1809790005000 } from './1809790005000-phone-index.js';
import { RegistrationVersions1809790006000 } from './1809790006000-registration-versions.js';
import { PushRetries1809790007000 } from './1809790007000-push-retries.js';

/** In order. `npm run migration:generate` prints the SQL of the next file; its line here is added by hand. */
export const migrations = [
  Init1795257000000,
  RefreshAndAudit1795264000000,
  SessionEndings1795270000000,
  Limits1795271000000,
  MailsAndResets1795272000000,
  ExternalIdentities1795273000000,
  TwoStepAndPasskeys1795274000000,
  Avatars1795275000000,
  Chat1795276000000,
  NationalId1795277000000,
  StandardNames1796000000000,
  MailAndTriggerNames1796001007000,
  AccountRecovery1797001000000,
  SessionClients1797002000000,
  AuditPartitions1797002001000,
  ContactRequestsAndBlocks1797003000000,
  SearchFolding1797006000000,
  VaccinationCatalogue1798000000000,
  VaccinationPeople1801000000000,
  EncryptedNationalId1801001000000,
  Booking1801002000000,
  CertificateTexts1801003000000,
  VaccinationMessages1801005000000,
  ProjectsAndChapters1803001000000,
  Reading1803002000000,
  FeedTokens1803003000000,
  Reports1803004000000,
  RecallNotices1805000000000,
  AdverseEvents1805000001000,
  KeptRegistrations1805000002000,
  Uploads1807000000000,
  Pages1808000001000,
  Covers1808000002000,
  Announcements1808000003000,
  Recalls1809000000000,
  StaffIndexes1809000001000,
  DataExports1809200000000,
  ConversationRevisions1809300000000,
  NodeLeases1809300001000,
  ConversationRoles1809400000000,
  MessageChanges1809400001000,
  MessageSearch1809400002000,
  ChapterRejectionReason1809500001000,
  FasterBatches1809650000000,
  ReadIndexes1809660000000,
  Attachments1809700000000,
  WebPush1809710000000,
  GrowthIndexes1809730000000,
  SingleMessages1809740000000,
  PublishedChapters1809750000000,
  AppendLookUps1809760000000,
  MessageReferences1809770000000,
  NewestChapters1809780000000,
  ExpiryIndexes1809790000000,
  CounterIndex1809790001000,
  PhoneIndex1809790005000,
  RegistrationVersions1809790006000,
  PushRetries1809790007000,
];
