import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../common/clock.provider.js';
import { Config } from '../config/config.js';
import { POOL } from '../database/connections/pool.js';
import { MetricsService } from '../metrics/metrics.service.js';
import { createSend } from './mail-transport.js';
import type { Channel } from './mail.entity.js';
import { MailsService } from './mails.service.js';
import { type MailServerState, OutboxChannel, POLL_INTERVAL_MS } from './outbox-channel.js';
import { createSmsSend } from './sms-transport.js';

/**
 * Sends the mails and SMS of the outbox, each at least once. Any number of processes may run a worker. The channels run on their
 * own, so that a slow SMS gateway does not delay mails.
 */
@Injectable()
export class MailWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Mail');
  private readonly channels: Record<Channel, OutboxChannel>;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(POOL) pool: Pool,
    private readonly mails: MailsService,
    clock: Clock,
    config: Config,
    metrics: MetricsService,
  ) {
    const use = { pool, mails, clock, log: this.log, metrics };
    this.channels = {
      email: new OutboxChannel(use, { channel: 'email', noun: 'mail', send: createSend(config) }),
      sms: new OutboxChannel(use, { channel: 'sms', noun: 'SMS', send: createSmsSend(config, this.log) }),
    };
  }

  /** The state of the mail server at the last attempt of this process to send a mail. */
  get serverState(): MailServerState {
    return this.channels.email.serverState;
  }

  onApplicationBootstrap(): void {
    if (this.serverState === 'off') {
      this.log.warn('SMTP_URL is not set: mails are not sent and stay in the outbox until they expire');
    }
    this.mails.whenEnqueued((channel) => void this.channels[channel].run());
    this.timer = setInterval(() => void this.run(), POLL_INTERVAL_MS).unref();
    void this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(Object.values(this.channels).map((channel) => channel.stop()));
  }

  /** Sends all messages that are due. Never rejects. */
  async run(): Promise<void> {
    await Promise.all(Object.values(this.channels).map((channel) => channel.run()));
  }
}
