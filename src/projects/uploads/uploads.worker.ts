import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AsyncResource } from 'node:async_hooks';
import { causeMessage } from '../../common/cause-message.js';
import { CommitRunsService } from './commits/commit-runs.service.js';
import { CommitsService } from './commits/commits.service.js';
import { UploadCleanupService } from './upload-cleanup.service.js';

/** Poll interval. Finds commits of nodes that have died, and commits that wait for a retry. */
const POLL_INTERVAL_MS = 1_000;
const CLEANUP_INTERVAL_MS = 2_000;
const SWEEP_INTERVAL_MS = 3_600_000;
/** Commits that this process runs at a time. They share the image workers. */
const MAX_RUNS = 2;

/** Runs commits and deletes what uploads leave behind, in the background. Several nodes may do so at once. */
@Injectable()
export class UploadsWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Uploads');
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<unknown>>();
  private readonly busy = new Set<string>();
  private timers: NodeJS.Timeout[] = [];
  private runs = 0;

  constructor(
    private readonly commits: CommitsService,
    private readonly commitRuns: CommitRunsService,
    private readonly cleanup: UploadCleanupService,
  ) {}

  onApplicationBootstrap(): void {
    // Bound: the request that commits ends before its pages are made.
    this.commits.whenStarted(AsyncResource.bind(() => this.wake()));
    const sweep = (): void => this.once('Sweeping uploads', () => this.cleanup.sweep(this.stopping.signal));
    this.timers = [
      setInterval(() => this.wake(), POLL_INTERVAL_MS).unref(),
      setInterval(
        () => this.once('Cleaning up uploads', () => this.cleanup.run(this.stopping.signal)),
        CLEANUP_INTERVAL_MS,
      ).unref(),
      setInterval(sweep, SWEEP_INTERVAL_MS).unref(),
    ];
    sweep();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    this.timers.forEach(clearInterval);
    await Promise.all(this.running);
  }

  private wake(): void {
    this.once('Claiming commits', async () => {
      while (this.runs < MAX_RUNS && !this.stopping.signal.aborted) {
        const run = await this.commitRuns.claim();
        if (!run) return;
        this.runs++;
        this.track(
          this.commitRuns.run(run, this.stopping.signal).finally(() => {
            this.runs--;
            this.wake();
          }),
        );
      }
    });
  }

  /** Does nothing while the same work is running. Never throws. */
  private once(operation: string, work: () => Promise<void>): void {
    if (this.stopping.signal.aborted || this.busy.has(operation)) return;
    this.busy.add(operation);
    const done = work()
      .catch((error: unknown) => this.log.warn(`${operation} failed (${causeMessage(error)}); retrying`))
      .finally(() => this.busy.delete(operation));
    this.track(done);
  }

  private track(work: Promise<unknown>): void {
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }
}
