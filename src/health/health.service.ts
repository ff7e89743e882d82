import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { BusService } from '../bus/bus.service.js';
import { Problem } from '../http/problems/problem.js';
import { MetricsService } from '../metrics/metrics.service.js';
import { StorageProbeService } from '../storage/storage-probe.service.js';
import { DedicatedConnectionService } from '../database/connections/dedicated-connection.service.js';
import { isMigrated } from '../database/open-database.js';
import { MailWorker } from '../mail/mail.worker.js';
import { PoolRenewalService } from '../database/connections/pool-renewal.service.js';
import type { ChecksDto } from './health.dto.js';

const CHECK_TIMEOUT_MS = 1000;

/** Checks whether this process can serve requests: it is not stopping, database and storage answer, the schema is current. */
@Injectable()
export class HealthService implements BeforeApplicationShutdown {
  private isDraining = false;
  private running: Promise<ChecksDto> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly storage: StorageProbeService,
    private readonly renewal: PoolRenewalService,
    private readonly dedicated: DedicatedConnectionService,
    private readonly mails: MailWorker,
    private readonly bus: BusService,
    metrics: MetricsService,
  ) {
    metrics.gauge('machi_health', 'Whether a check of GET /api/health/ready succeeds: 1 or 0.', async () =>
      Object.entries(await this.check()).map(([check, result]) => ({
        labels: { check },
        value: Number(result === 'ok' || result === 'off'),
      })),
    );
  }

  beforeApplicationShutdown(): void {
    this.isDraining = true;
  }

  /** Returns the results of the checks. Throws `not_ready` with the results if one failed. */
  async assertReady(): Promise<ChecksDto> {
    const checks = await this.check();
    const { mail: _, bus: _bus, ...required } = checks; // mails wait in the outbox, messages in the database
    if (Object.values(required).some((result) => result !== 'ok')) {
      throw new Problem('not_ready', { members: { checks }, headers: { 'retry-after': '2' } });
    }
    return checks;
  }

  /** Concurrent callers share one check, so that the route cannot be used to overload the database. */
  private check(): Promise<ChecksDto> {
    this.running ??= this.runChecks().finally(() => (this.running = undefined));
    return this.running;
  }

  private async runChecks(): Promise<ChecksDto> {
    const process = this.isDraining ? 'stopping' : 'ok';
    const timeout = sleep(CHECK_TIMEOUT_MS, undefined, { ref: false });
    const [database, isStorageAvailable] = await Promise.all([
      Promise.race([this.checkDatabase(), timeout]),
      Promise.race([this.storage.isAvailable(), timeout]),
    ]);
    const unavailable = { database: 'unavailable', migrations: 'unknown' } as const;
    const notifications = this.dedicated.isEstablished ? 'ok' : 'unavailable';
    const storage = isStorageAvailable ? 'ok' : 'unavailable';
    return {
      process,
      ...(database ?? unavailable),
      notifications,
      bus: this.bus.state,
      storage,
      mail: this.mails.serverState,
    };
  }

  private async checkDatabase(): Promise<Pick<ChecksDto, 'database' | 'migrations'>> {
    try {
      const migrations = (await isMigrated(this.dataSource)) ? 'ok' : 'pending';
      return { database: (await this.renewal.isReadOnly()) ? 'read_only' : 'ok', migrations };
    } catch {
      return { database: 'unavailable', migrations: 'unknown' };
    }
  }
}
