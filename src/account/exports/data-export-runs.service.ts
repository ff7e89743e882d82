import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { addAbortSignal } from 'node:stream';
import { Repository } from 'typeorm';
import { causeMessage } from '../../common/cause-message.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { type Claim, LeasedRows } from '../../database/statements/leased-rows.js';
import { returningRows } from '../../database/statements/returning.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { isUnavailable, Problem } from '../../http/problems/problem.js';
import { PersonalDataRegistryService } from '../../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart } from '../../personal-data/personal-data.js';
import { UsersService } from '../../users/users.service.js';
import { archiveOf } from './export-archive.js';
import { exportReadme } from './export-readme.js';
import { DataExportFilesService } from './data-export-files.service.js';
import { DataExport } from './data-export.entity.js';
import { DATA_EXPORT_AGE_MS } from './data-exports.service.js';

/** An export fails after this many runs that broke off, for example because the process was killed each time. */
const MAX_ATTEMPTS = 5;
/** How long a failed export waits for its next run. */
const RETRY_SECONDS = 5;

/** Without `user_id` the user has deleted the account. */
const IS_UNFINISHED = `state = 'pending' and user_id is not null`;
/** No row: another run has the export, or the user has deleted it or the account. */
const IS_CLAIMED = `id = $1 and claim_id = $2 and ${IS_UNFINISHED}`;

const COUNT_MODULE = `update data_exports set done = done + 1 where ${IS_CLAIMED} returning id`;

const FINISH = `update data_exports set state = $3, file_id = $4, size = $5, problem = $6, claim_id = null,
    claimed_until = null, finished_at = $7, expires_at = $8
  where ${IS_CLAIMED} returning id`;

/** Writes exports. The file is streamed into the storage, and the row names it when it is complete. */
@Injectable()
export class DataExportRunsService {
  private readonly log = new Logger('DataExports');
  private readonly leases: LeasedRows<DataExport>;

  constructor(
    @InjectRepository(DataExport) private readonly exports: Repository<DataExport>,
    private readonly registry: PersonalDataRegistryService,
    private readonly files: DataExportFilesService,
    private readonly users: UsersService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    const options = { table: 'data_exports', isUnfinished: IS_UNFINISHED, onClaim: 'done = 0' };
    this.leases = new LeasedRows(exports.manager, options);
  }

  /** Takes an export that no process works on; undefined when there is none. */
  claim(): Promise<Claim<DataExport> | undefined> {
    return this.leases.claim();
  }

  /** Runs an export to its end, or releases it for a later run. Never rejects. */
  run(claim: Claim<DataExport>, stopping: AbortSignal): Promise<void> {
    return this.leases.whileClaimed(claim, stopping, (signal) =>
      this.complete(claim, signal)
        .catch((error: unknown) =>
          stopping.aborted ? this.leases.release(claim, 0, false) : this.settle(claim, error),
        )
        .catch((failure: Error) =>
          this.log.warn(`Ending data export ${claim.row.id} failed (${failure.message}); retrying`),
        ),
    );
  }

  private async complete(claim: Claim<DataExport>, signal: AbortSignal): Promise<void> {
    if (claim.row.attempts > MAX_ATTEMPTS) throw new Problem('data_export_interrupted');
    const size = await this.write(claim, signal);
    if (!(await this.finish(claim, 'ready', { size }))) await this.files.discard(claim.claimId);
  }

  /** Returns the size of the file in bytes. Throws what the sources and the storage throw. */
  private async write(claim: Claim<DataExport>, signal: AbortSignal): Promise<number> {
    const subject = await this.users.findDataSubject(claim.row.user_id!);
    if (!subject) throw new Problem('user_not_found');
    let failure: unknown; // of a source: the storage reports every error as its own
    const parts = this.listParts(claim, subject, (error) => (failure ??= error));
    const archive = addAbortSignal(signal, archiveOf(parts, this.clock.date()));
    return this.files.put(claim.claimId, archive).catch((error: unknown) => {
      throw failure ?? error;
    });
  }

  private async *listParts(
    claim: Claim<DataExport>,
    subject: DataSubject,
    onFailure: (error: unknown) => void,
  ): AsyncGenerator<ExportPart> {
    const sources = this.registry.list();
    yield { name: 'README.txt', json: exportReadme(this.config, this.clock.date(), sources) };
    try {
      for (const source of sources) {
        if (source.export) yield* source.export(subject);
        if (!(await this.countModule(claim))) throw new Problem('data_export_not_found');
      }
    } catch (error) {
      onFailure(error);
      throw error;
    }
  }

  /** False when the claim is lost. */
  private async countModule({ row, claimId }: Claim<DataExport>): Promise<boolean> {
    return (await returningRows(this.exports.manager, COUNT_MODULE, [row.id, claimId])).length > 0;
  }

  /** Fails the export for good, or leaves it to a later run when the cause can go away. */
  private async settle(claim: Claim<DataExport>, error: unknown): Promise<void> {
    const { id, attempts, expires_at } = claim.row;
    const { code } = mapToProblem(error);
    const canGoAway = isUnavailable(code) && this.clock.date() < expires_at;
    const isUnexpected = !(error instanceof Problem) && attempts < MAX_ATTEMPTS;
    if (!canGoAway && !isUnexpected) return void (await this.finish(claim, 'failed', { problem: code }));
    if (!canGoAway) this.log.error(error);
    this.log.warn(`Data export ${id} failed (${causeMessage(error)}); retrying in ${RETRY_SECONDS} s`);
    return this.leases.release(claim, RETRY_SECONDS, !canGoAway);
  }

  /** False when another run has the export, or its user has deleted it. */
  private async finish(
    { row: { id }, claimId }: Claim<DataExport>,
    state: 'ready' | 'failed',
    { size = null, problem = null }: { size?: number | null; problem?: string | null },
  ): Promise<boolean> {
    const now = this.clock.date();
    const expires = new Date(now.getTime() + DATA_EXPORT_AGE_MS);
    const fileId = state === 'ready' ? claimId : null;
    const values = [id, claimId, state, fileId, size, problem, now, expires];
    return (await returningRows(this.exports.manager, FINISH, values)).length > 0;
  }
}
