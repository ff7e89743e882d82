import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { Problem } from '../http/problem.js';
import { StorageProbeService } from '../storage/storage-probe.service.js';
import { isMigrated } from '../database/open-database.js';
import type { ChecksDto } from './health.dto.js';

const PATIENCE_MS = 1000;

/** Whether this process can serve: not stopping, its database and its store answer, the schema is the one it was built for. */
@Injectable()
export class HealthService implements BeforeApplicationShutdown {
  private draining = false;
  private running: Promise<ChecksDto> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly storage: StorageProbeService,
  ) {}

  beforeApplicationShutdown(): void {
    this.draining = true;
  }

  /** Raises `not_ready`, with the result of each check. */
  async assertReady(): Promise<ChecksDto> {
    const checks = await this.check();
    if (Object.values(checks).some((result) => result !== 'ok')) {
      throw new Problem('not_ready', { members: { checks }, headers: { 'retry-after': '2' } });
    }
    return checks;
  }

  /** Callers at the same moment share one look, so that the route is no lever against the database. */
  private check(): Promise<ChecksDto> {
    this.running ??= this.look().finally(() => (this.running = undefined));
    return this.running;
  }

  private async look(): Promise<ChecksDto> {
    const process = this.draining ? 'stopping' : 'ok';
    const late = sleep(PATIENCE_MS, undefined, { ref: false });
    const [database, isStorageWell] = await Promise.all([
      Promise.race([this.askDatabase(), late]),
      Promise.race([this.storage.isAvailable(), late]),
    ]);
    const silent = { database: 'unavailable', migrations: 'unknown' } as const;
    return { process, ...(database ?? silent), storage: isStorageWell ? 'ok' : 'unavailable' };
  }

  private async askDatabase(): Promise<Pick<ChecksDto, 'database' | 'migrations'>> {
    try {
      return { database: 'ok', migrations: (await isMigrated(this.dataSource)) ? 'ok' : 'pending' };
    } catch {
      return { database: 'unavailable', migrations: 'unknown' };
    }
  }
}
