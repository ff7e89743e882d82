import type { INestApplicationContext } from '@nestjs/common';
import { ExpiredEmailVerificationsWorker } from '../account/email/expired-email-verifications.worker.js';
import { DataExportFilesWorker } from '../account/exports/data-export-files.worker.js';
import { AuditPartitionsWorker } from '../audit/audit-partitions.worker.js';
import { ExpiredPasskeyChallengesWorker } from '../auth/passkeys/expired-passkey-challenges.worker.js';
import { ExpiredPasswordResetsWorker } from '../auth/passwords/expired-password-resets.worker.js';
import { ExpiredRemovalLinksWorker } from '../auth/recovery/expired-removal-links.worker.js';
import { ExpiredSessionsWorker } from '../auth/sessions/expired-sessions.worker.js';
import { ExpiredTwoFactorChallengesWorker } from '../auth/two-factor/expired-two-factor-challenges.worker.js';
import { AvatarFilesWorker } from '../avatars/avatar-files.worker.js';
import { AttachmentFilesWorker } from '../chat/attachments/attachment-files.worker.js';
import { causeMessage } from '../common/cause-message.js';
import { PageFilesWorker } from '../projects/pages/page-files.worker.js';
import { UploadCleanupService } from '../projects/uploads/upload-cleanup.service.js';
import { ExpiredCountersWorker } from '../rate-limit/counters/expired-counters.worker.js';
import { BookingRequestsWorker } from '../vaccination/appointments/booking-requests.worker.js';

/** What servers delete in the background, by the name that `machi sweep` prints. */
const SWEEPERS: Record<string, (app: INestApplicationContext) => Promise<unknown>> = {
  'avatar files to delete': (app) => app.get(AvatarFilesWorker, ANYWHERE).deleteRemovedFiles(),
  'avatar files without a row': (app) => app.get(AvatarFilesWorker, ANYWHERE).sweep(),
  'attachment files to delete': (app) => app.get(AttachmentFilesWorker, ANYWHERE).deleteRemovedFiles(),
  'attachments that were not sent, attachment files without a row': (app) =>
    app.get(AttachmentFilesWorker, ANYWHERE).sweep(),
  'page files to delete': (app) => app.get(PageFilesWorker, ANYWHERE).deleteRemovedFiles(),
  'page files without a row': (app) => app.get(PageFilesWorker, ANYWHERE).sweep(),
  'uploads that have ended': (app) => app.get(UploadCleanupService, ANYWHERE).run(NEVER),
  'uploaded files without a row': (app) => app.get(UploadCleanupService, ANYWHERE).sweep(NEVER),
  'exports of personal data': (app) => app.get(DataExportFilesWorker, ANYWHERE).deleteRemovedFiles(),
  'export files without a row': (app) => app.get(DataExportFilesWorker, ANYWHERE).sweep(),
  'partitions of the audit log': (app) => app.get(AuditPartitionsWorker, ANYWHERE).run(),
  'expired sessions': (app) => app.get(ExpiredSessionsWorker, ANYWHERE).run(),
  'expired e-mail verifications': (app) => app.get(ExpiredEmailVerificationsWorker, ANYWHERE).run(),
  'expired method removal links': (app) => app.get(ExpiredRemovalLinksWorker, ANYWHERE).run(),
  'expired password resets': (app) => app.get(ExpiredPasswordResetsWorker, ANYWHERE).run(),
  'expired two-factor challenges': (app) => app.get(ExpiredTwoFactorChallengesWorker, ANYWHERE).run(),
  'expired passkey challenges': (app) => app.get(ExpiredPasskeyChallengesWorker, ANYWHERE).run(),
  'counters of rate limits': (app) => app.get(ExpiredCountersWorker, ANYWHERE).run(),
  'booking requests': (app) => app.get(BookingRequestsWorker, ANYWHERE).run(),
};

const ANYWHERE = { strict: false };
/** Sweepers run to their end. */
const NEVER = new AbortController().signal;

export interface SweepResult {
  sweeper: string;
  /** Why it failed. */
  error?: string;
}

/** Runs all sweepers once, one after the other. One that fails does not keep the others from running. */
export async function runSweepers(
  app: INestApplicationContext,
  onStart: (sweeper: string) => void,
): Promise<SweepResult[]> {
  const results: SweepResult[] = [];
  for (const [sweeper, run] of Object.entries(SWEEPERS)) {
    onStart(sweeper);
    results.push(
      await run(app).then(
        () => ({ sweeper }),
        (error: unknown) => ({ sweeper, error: causeMessage(error) }),
      ),
    );
  }
  return results;
}
