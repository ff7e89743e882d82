import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../audit/audit.service.js';
import { ReauthenticationService } from '../../auth/reauthentication.service.js';
import { SecurityMailsService } from '../../auth/security-mails/security-mails.service.js';
import type { VerifiedCredential } from '../../auth/verified-credential.js';
import { Clock } from '../../common/clock.provider.js';
import { afterCommit } from '../../database/after-commit.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import type { LargeFile } from '../../http/representation.js';
import { Problem } from '../../http/problems/problem.js';
import { PersonalDataRegistryService } from '../../personal-data/personal-data-registry.service.js';
import { DATA_EXPORT_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { DataExportFilesService } from './data-export-files.service.js';
import { DataExport } from './data-export.entity.js';

/** How long a finished export can be downloaded, and how long a pending one is tried. */
export const DATA_EXPORT_AGE_MS = 24 * 3_600_000;

/** $2 now. A worker deletes the file and the row. */
const REPLACE = `update data_exports set user_id = null where user_id = $1 and (state <> 'pending' or expires_at <= $2)`;

/** The file of an export. */
export interface DataExportFile extends LargeFile {
  id: string;
  createdAt: Date;
}

/** Copies of everything that Machi stores about a user, made in the background: see DataExportRunsService. */
@Injectable()
export class DataExportsService {
  private onCreated: () => void = () => undefined;

  constructor(
    @InjectRepository(DataExport) private readonly exports: Repository<DataExport>,
    private readonly registry: PersonalDataRegistryService,
    private readonly files: DataExportFilesService,
    private readonly reauthentication: ReauthenticationService,
    private readonly quotas: QuotasService,
    private readonly audit: AuditService,
    private readonly mails: SecurityMailsService,
    private readonly clock: Clock,
  ) {}

  /** Calls `listener` after each export that a request to this node has created. */
  whenCreated(listener: () => void): void {
    this.onCreated = listener;
  }

  /**
   * Requests an export, which replaces a finished one. Returns the pending one if there is one. Throws `wrong_password`,
   * `sign_in_again`, `validation_failed`, `rate_limited`, `busy`.
   */
  async create(caller: Caller, password: string | undefined): Promise<DataExport> {
    const credential = await this.reauthentication.verify(caller, password);
    return this.createVerified(caller, credential);
  }

  /**
   * The export of the caller; requests one if there is none or it has failed, after a recent sign-in. Throws `sign_in_again`,
   * `rate_limited`.
   */
  async getOrCreate(caller: Caller): Promise<DataExport> {
    const found = await this.find(caller);
    if (found && found.state !== 'failed') return found;
    return this.createVerified(caller, await this.reauthentication.verifyRecentSignIn(caller));
  }

  /** The export of the caller. Throws `data_export_not_found`. */
  async get(caller: Caller): Promise<DataExport> {
    const found = await this.find(caller);
    if (!found) throw new Problem('data_export_not_found');
    return found;
  }

  /**
   * The file of the caller's export, for the session that requested it or after a recent sign-in: a stolen token must not lead
   * to everything at once. Throws `data_export_not_found`, `data_export_not_ready`, `sign_in_again`.
   */
  async getFile(caller: Caller): Promise<DataExportFile> {
    const { id, state, session_id, file_id, size, created_at } = await this.get(caller);
    if (state !== 'ready') throw new Problem('data_export_not_ready');
    if (session_id !== caller.session_id) await this.reauthentication.verifyRecentSignIn(caller);
    const open = async (range: { start: number; end: number }) => {
      const body = await this.files.open(file_id!, range);
      const entry = { action: 'data_export.downloaded' as const, ...actorOf(caller), subject_id: caller.id };
      // Each part: all bytes but the first one are as good as all of them.
      await this.audit.write(this.exports.manager, entry).catch((error: unknown) => {
        body.destroy();
        throw error;
      });
      return body;
    };
    return { id, createdAt: created_at, size: Number(size), open };
  }

  /** Deletes the export of the caller, or stops it. Throws `data_export_not_found`. */
  async remove(caller: Caller): Promise<void> {
    const { affected } = await this.exports.update({ user_id: caller.id }, { user_id: null });
    if (affected === 0) throw new Problem('data_export_not_found');
  }

  /** Null if there is none, or it has expired. */
  private async find({ id }: Caller): Promise<DataExport | null> {
    const found = await this.exports.findOneBy({ user_id: id });
    return found && found.expires_at > this.clock.date() ? found : null;
  }

  private async createVerified(caller: Caller, credential: VerifiedCredential): Promise<DataExport> {
    const pending = await this.find(caller);
    if (pending?.state === 'pending') return pending;
    const refund = await this.quotas.consume(DATA_EXPORT_QUOTA, caller.id);
    let isNew = false;
    try {
      isNew = await this.insert(caller, credential);
    } finally {
      if (!isNew) await refund(); // only exports that are made count
    }
    return this.get(caller);
  }

  /** Returns false if another request has created one meanwhile. Throws `wrong_password`, `sign_in_again`. */
  private insert(caller: Caller, credential: VerifiedCredential): Promise<boolean> {
    return this.exports.manager.transaction(async (manager) => {
      await this.reauthentication.assertStillValid(manager, caller, credential);
      const now = this.clock.date();
      await manager.query(REPLACE, [caller.id, now]);
      const isNew = await insertOrIgnore(manager, DataExport, {
        id: uuidv7(),
        user_id: caller.id,
        session_id: caller.session_id,
        total: this.registry.list().length,
        created_at: now,
        expires_at: new Date(now.getTime() + DATA_EXPORT_AGE_MS),
      });
      if (!isNew) return false;
      await this.mails.send(manager, caller.id, 'data_export_requested');
      const entry = { action: 'data_export.requested' as const, ...actorOf(caller), subject_id: caller.id };
      await this.audit.write(manager, entry);
      afterCommit(manager, this.onCreated);
      return true;
    });
  }
}
