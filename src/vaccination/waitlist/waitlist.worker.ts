import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { PromotionsService } from './promotions.service.js';

/** Poll interval. Any process and any statement may have freed a place, so polling is simpler than a notification. */
const POLL_INTERVAL_MS = 1_000;
/** Every so many polls, outdated waitlists are removed. */
const POLLS_PER_CLEANUP = 60;

/** Promotes people from the waitlists within seconds of a place becoming free. */
@Injectable()
export class WaitlistWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(WaitlistWorker.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private polls = 0;

  constructor(private readonly promotions: PromotionsService) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.run(), POLL_INTERVAL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Never rejects, and never runs twice at a time. */
  private run(): Promise<void> {
    this.running ??= this.promote().finally(() => (this.running = undefined));
    return this.running;
  }

  private async promote(): Promise<void> {
    try {
      if (this.polls++ % POLLS_PER_CLEANUP === 0) await this.promotions.removeOutdated();
      await this.promotions.promoteAll();
    } catch (error) {
      const reason = (error as Error).message;
      this.log.warn(`Promoting people from the waitlists failed (${reason}); retrying in ${POLL_INTERVAL_MS} ms`);
    }
  }
}
