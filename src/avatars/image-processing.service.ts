import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants, cpus, setPriority } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { Problem, unavailable } from '../http/problem.js';
import { isClientDisconnected } from '../http/request-context.js';
import { packageRoot } from '../common/version.js';
import { isWhole, formatOf, type ProcessedImage } from './image-format.js';
import type { Job, Outcome } from './image-worker.js';

const MAX_WORKERS = 4;
const TIME_LIMIT_MS = 10_000;
/** The built file, also when the sources run under Vitest: Node 20 runs no TypeScript. */
const WORKER = join(packageRoot(), 'dist/src/avatars/image-worker.js');

/**
 * Makes pictures out of uploaded bytes: square, upright, as WebP in all sizes, with nothing of the file they came from.
 * The decoders are C code that strangers feed, so they run in processes of their own, one picture each at a time. A
 * process that hangs is killed, one that dies is replaced.
 */
@Injectable()
export class ImageProcessingService implements OnApplicationShutdown {
  private readonly log = new Logger(ImageProcessingService.name);
  private readonly limit = pLimit(Math.min(MAX_WORKERS, cpus().length));
  private readonly idle: ChildProcess[] = [];
  private readonly workers = new Set<ChildProcess>();

  /** Raises `unsupported_picture`, `picture_damaged`, `picture_too_large`, `picture_too_slow`, `too_many_uploads`. */
  async make(bytes: Buffer): Promise<ProcessedImage> {
    const kind = formatOf(bytes);
    if (kind === undefined) throw new Problem('unsupported_picture');
    if (!isWhole(kind, bytes)) throw new Problem('picture_damaged');
    const outcome = await this.limit(() => {
      if (isClientDisconnected()) throw new Problem('request_timeout')
      return this.work({ bytes, kind });
    });
    if ('refused' in outcome) throw new Problem(outcome.refused);
    return outcome;
  }

  onApplicationShutdown(): void {
    for (const worker of this.workers) worker.kill('SIGKILL');
  }

  private async work(job: Job): Promise<Outcome> {
    const worker = this.idle.pop() ?? this.start();
    const late = AbortSignal.timeout(TIME_LIMIT_MS);
    const over = new AbortController();
    const signal = AbortSignal.any([late, over.signal]);
    try {
      const dead = once(worker, 'close', { signal }).then(([, cause]) => {
        if (cause === 'SIGKILL') throw unavailable('too_many_uploads'); // not its fault: memory has run out
        throw new Problem('picture_damaged'); // it has brought its decoder down
      });
      const answer = once(worker, 'message', { signal }) as Promise<[Outcome]>;
      answer.catch(() => undefined);
      dead.catch(() => undefined);
      worker.send(job, (error) => error && worker.kill('SIGKILL'));
      const [outcome] = await Promise.race([answer, dead]);
      this.idle.push(worker);
      return outcome;
    } catch (error) {
      worker.kill('SIGKILL');
      this.log.warn(
        `a worker was ${late.aborted ? 'too slow' : 'lost'} with a ${job.kind} of ${job.bytes.length} bytes`,
      );
      throw late.aborted ? new Problem('picture_too_slow') : error;
    } finally {
      over.abort();
    }
  }

  private start(): ChildProcess {
    const worker = fork(WORKER, { env: {}, execArgv: [], serialization: 'advanced', stdio: 'ignore' });
    this.workers.add(worker);
    worker.once('error', () => worker.kill('SIGKILL'));
    worker.once('close', () => {
      this.workers.delete(worker);
      const at = this.idle.indexOf(worker);
      if (at >= 0) this.idle.splice(at, 1);
    });
    lower(worker);
    return worker;
  }
}

/** Pictures may take all processors and all memory, but not from those who wait for an answer. */
function lower({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  trying(() => setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL));
  trying(() => writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')); // Linux: what is ended first when memory runs out
}

function trying(what: () => void): void {
  try {
    what();
  } catch {
    // gone already, or a system that does not let us
  }
}
