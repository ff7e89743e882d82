import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { addAbortSignal } from 'node:stream';
import { Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { causeMessage } from '../../common/cause-message.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
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

const LEASE_SECONDS = 10;
const RENEWAL_INTERVAL_MS = 3_000;
/** Runs that did not end by themselves, for example because the process is killed each time. */
const MAX_ATTEMPTS = 5;
/** How long a run that failed waits for the next one. */
const RETRY_SECONDS = 5;

/** $1 the new claim. A run that has stopped renewing its claim has died; another one starts again. */
const CLAIM = `update data_exports set claim_id = $1, attempts = attempts + 1, done = 0,
    claimed_until = clock_timestamp() + interval '${LEASE_SECONDS} seconds'
  where id = (select id from data_exports where state = 'pending' and user_id is not null
      and (claimed_until is null or claimed_until < clock_timestamp())
    order by id limit 1 for update skip locked) returning *`;

/** No row: another run has the export, or the user has deleted it or the account. */
const IS_HELD = `id = $1 and claim_id = $2 and state = 'pending' and user_id is not null`;

const RENEW = `update data_exports set claimed_until = clock_timestamp() + interval '${LEASE_SECONDS} seconds'
  where ${IS_HELD} returning id`;

const COUNT_MODULE = `update data_exports set done = done + 1 where ${IS_HELD} returning id`;

/** $3: seconds until the next run; $4: whether this run counts as an attempt. */
const RELEASE = `update data_exports set claim_id = null, claimed_until = clock_timestamp() + $3 * interval '1 second',
    attempts = greatest(0, attempts - case when $4 then 0 else 1 end)
  where id = $1 and claim_id = $2`;

const FINISH = `update data_exports set state = $3, file_id = $4, size = $5, problem = $6, claim_id = null,
    claimed_until = null, finished_at = $7, expires_at = $8
  where ${IS_HELD} returning id`;

/** An export that this process works on. */
interface Run {
  export: DataExport;
  claimId: string;
  /** Aborted when the process stops or the claim is lost. */
  signal: AbortSignal;
}

/** Writes exports. The file is streamed into the storage, and the row names it when it is complete. */
@Injectable()
export class DataExportRunsService {
  private readonly log = new Logger('DataExports');

  constructor(
    @InjectRepository(DataExport) private readonly exports: Repository<DataExport>,
    private readonly registry: PersonalDataRegistryService,
    private readonly files: DataExportFilesService,
    private readonly users: UsersService,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Takes an export that no process works on; undefined when there is none. */
  async claim(signal: AbortSignal): Promise<Run | undefined> {
    const claimId = uuidv7();
    const [found] = await returningRows<DataExport>(this.exports.manager, CLAIM, [claimId]);
    return found && { export: found, claimId, signal };
  }

  /** Runs an export to its end, or releases it for a later run. Never rejects. */
  async run(claimed: Run): Promise<void> {
    const lost = new AbortController();
    const run = { ...claimed, signal: AbortSignal.any([claimed.signal, lost.signal]) };
    const renewal = setInterval(() => {
      this.isHeld(RENEW, run).then(
        (isHeld) => isHeld || lost.abort(),
        () => undefined, // the database fails: so does the next query
      );
    }, RENEWAL_INTERVAL_MS);
    try {
      if (run.export.attempts > MAX_ATTEMPTS) throw new Problem('data_export_interrupted');
      const size = await this.write(run);
      if (!(await this.finish(run, 'ready', { size }))) await this.files.discard(run.claimId);
    } catch (error) {
      const settled = claimed.signal.aborted ? this.release(run, 0, false) : this.settle(run, error);
      await settled.catch((failure: Error) =>
        this.log.warn(`Ending data export ${run.export.id} failed (${failure.message}); retrying`),
      );
    } finally {
      clearInterval(renewal);
    }
  }

  /** Returns the size of the file in bytes. Throws what the sources and the storage throw. */
  private async write(run: Run): Promise<number> {
    const subject = await this.users.findDataSubject(run.export.user_id!);
    if (!subject) throw new Problem('user_not_found');
    let failure: unknown; // of a source: the storage reports every error as its own
    const parts = this.listParts(run, subject, (error) => (failure ??= error));
    const archive = addAbortSignal(run.signal, archiveOf(parts, this.clock.date()));
    return this.files.put(run.claimId, archive).catch((error: unknown) => {
      throw failure ?? error;
    });
  }

  private async *listParts(
    run: Run,
    subject: DataSubject,
    onFailure: (error: unknown) => void,
  ): AsyncGenerator<ExportPart> {
    const sources = this.registry.list();
    yield { name: 'README.txt', json: exportReadme(this.config, this.clock.date(), sources) };
    try {
      for (const source of sources) {
        if (source.export) yield* source.export(subject);
        if (!(await this.isHeld(COUNT_MODULE, run))) throw new Problem('data_export_not_found');
      }
    } catch (error) {
      onFailure(error);
      throw error;
    }
  }

  private async isHeld(sql: string, { export: { id }, claimId }: Run): Promise<boolean> {
    return (await returningRows(this.exports.manager, sql, [id, claimId])).length > 0;
  }

  private async release({ export: { id }, claimId }: Run, seconds: number, isAttempt: boolean): Promise<void> {
    await this.exports.query(RELEASE, [id, claimId, seconds, isAttempt]);
  }

  /** Fails the export for good, or leaves it to a later run when the cause can go away. */
  private async settle(run: Run, error: unknown): Promise<void> {
    const { id, attempts, expires_at } = run.export;
    const { code } = mapToProblem(error);
    const canGoAway = isUnavailable(code) && this.clock.date() < expires_at;
    const isUnexpected = !(error instanceof Problem) && attempts < MAX_ATTEMPTS;
    if (!canGoAway && !isUnexpected) return void (await this.finish(run, 'failed', { problem: code }));
    if (!canGoAway) this.log.error(error);
    this.log.warn(`Data export ${id} failed (${causeMessage(error)}); retrying in ${RETRY_SECONDS} s`);
    return this.release(run, RETRY_SECONDS, !canGoAway);
  }

  /** False when another run has the export, or nobody wants it any more. */
  private async finish(
    { export: { id }, claimId }: Run,
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
