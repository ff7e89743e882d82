import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { RemindersService } from './reminders.service.js';
import { VaccinationMessagesService } from './vaccination-messages.service.js';

const POLL_INTERVAL_MS = 2_000;
const REMINDER_INTERVAL_MS = 60_000;

/** Turns notices into messages, and looks for reminders that are due. Any number of processes may run a worker. */
@Injectable()
export class NoticesWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('VaccinationMessages');
  private running: Promise<void> | undefined;
  private isStopping = false;
  private timers: NodeJS.Timeout[] = [];

  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly messages: VaccinationMessagesService,
    private readonly reminders: RemindersService,
  ) {}

  onApplicationBootstrap(): void {
    this.timers = [
      setInterval(() => void this.run(), POLL_INTERVAL_MS).unref(),
      setInterval(() => void this.remind(), REMINDER_INTERVAL_MS).unref(),
    ];
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    this.timers.forEach(clearInterval);
    await this.running;
  }

  /** Writes the messages about all notices. Never rejects. */
  async run(): Promise<void> {
    await this.running; // a notice that was written meanwhile may be missing in the running call
    await (this.running ??= this.writeAll().finally(() => (this.running = undefined)));
  }

  /** Records the reminders that are due, and writes their messages. Never rejects. */
  async remind(): Promise<void> {
    await this.attempt('Recording reminders', () => this.reminders.recordDue());
    await this.run();
  }

  private writeAll(): Promise<void> {
    return this.attempt('Writing messages about appointments', async () => {
      let hasMore = true;
      while (hasMore && !this.isStopping) {
        hasMore = await this.manager.transaction((manager) => this.messages.writeNext(manager));
      }
    });
  }

  private async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      if (!this.isStopping) await work();
    } catch (error) {
      this.log.warn(`${what} failed (${(error as Error).message}); retrying`);
    }
  }
}
