import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { FairQueue } from '../../common/concurrency/fair-queue.js';
import { unavailable } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';

/** Transactions that wait for the same rows slow each other down, and each occupies a connection of the pool. */
const CONCURRENCY = 8;
const MAX_WAITING = 5_000;

/** Runs the transactions that lock people and sessions, a few at a time; the accounts take turns. */
@Injectable()
export class AppointmentChangesService {
  private readonly queue = new FairQueue({
    concurrency: CONCURRENCY,
    maxWaiting: MAX_WAITING,
    onFull: () => unavailable('busy'),
  });

  constructor(@InjectEntityManager() private readonly manager: EntityManager) {}

  /** Runs a transaction for the caller. Throws what it throws, and `busy` when too many wait. */
  run<T>(caller: Caller, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.queue.run([caller.id], () => this.manager.transaction(work));
  }
}
