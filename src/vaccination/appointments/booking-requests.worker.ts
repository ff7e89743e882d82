import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { BookingRequest } from './booking-request.entity.js';

const HOUR_MS = 3_600_000;
const RETENTION_MS = 24 * HOUR_MS;

/** Forgets requests with an `Idempotency-Key` after a day. Any number of processes may run it. */
@Injectable()
export class BookingRequestsWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(BookingRequestsWorker.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @InjectRepository(BookingRequest) private readonly requests: Repository<BookingRequest>,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.removeOld(), HOUR_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Never rejects. */
  async removeOld(): Promise<void> {
    try {
      await this.requests.delete({ created_at: LessThan(new Date(this.clock.now() - RETENTION_MS)) });
    } catch (error) {
      this.log.warn(`Removing old booking requests failed (${(error as Error).message}); retrying in an hour`);
    }
  }
}
