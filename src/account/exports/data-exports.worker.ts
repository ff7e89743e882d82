import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AsyncResource } from 'node:async_hooks';
import { causeMessage } from '../../common/cause-message.js';
import { DataExportRunsService } from './data-export-runs.service.js';
import { DataExportsService } from './data-exports.service.js';

/** Poll interval. Finds exports of nodes that have died, and exports that wait for a retry. */
const POLL_INTERVAL_MS = 2_000;

/** Writes exports in the background, one at a time. Several nodes may do so at once. */
@Injectable()
export class DataExportsWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('DataExports');
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    private readonly exports: DataExportsService,
    private readonly runs: DataExportRunsService,
  ) {}

  onApplicationBootstrap(): void {
    // Bound: the request that creates an export ends before it is written.
    this.exports.whenCreated(AsyncResource.bind(() => this.wake()));
    this.timer = setInterval(() => this.wake(), POLL_INTERVAL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.timer);
    await this.running;
  }

  /** Does nothing while exports are being written: they ask for the next one at their end. Never throws. */
  private wake(): void {
    if (this.stopping.signal.aborted) return;
    this.running ??= this.runAll()
      .catch((error: unknown) => this.log.warn(`Claiming data exports failed (${causeMessage(error)}); retrying`))
      .finally(() => (this.running = undefined));
  }

  private async runAll(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const run = await this.runs.claim();
      if (!run) return;
      await this.runs.run(run, this.stopping.signal);
    }
  }
}
