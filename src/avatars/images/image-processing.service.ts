import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants, cpus, setPriority } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { isClientDisconnected } from '../../http/request-context.js';
import { packageRoot } from '../../common/version.js';
import { formatOf, isComplete, type ProcessedImage } from './image-format.js';
import type { ImageJob, ImageResult } from './image-worker.js';

const MAX_WORKERS = 4;
const TIME_LIMIT_MS = 10_000;
/** The compiled file, also when Vitest runs the sources: Node 20 cannot run TypeScript. */
const WORKER_FILE = join(packageRoot(), 'dist/src/avatars/images/image-worker.js');

/**
 * Turns uploaded bytes into square, upright WebP images in all sizes, without metadata. Decoders are C code that reads
 * untrusted input, so they run in separate processes, one image each at a time. A process that hangs is killed, one that
 * crashes is replaced.
 */
@Injectable()
export class ImageProcessingService implements OnApplicationShutdown {
  private readonly log = new Logger(ImageProcessingService.name);
  private readonly limit = pLimit(Math.min(MAX_WORKERS, cpus().length));
  private readonly idle: ChildProcess[] = [];
  private readonly workers = new Set<ChildProcess>();

  /**
   * Throws `unsupported_picture`, `picture_damaged`, `picture_too_large`, `picture_too_slow`, `too_many_uploads` when the
   * system is out of memory, and `request_timeout` when the client has disconnected.
   */
  async process(bytes: Buffer): Promise<ProcessedImage> {
    const format = formatOf(bytes);
    if (format === undefined) throw new Problem('unsupported_picture');
    if (!isComplete(format, bytes)) throw new Problem('picture_damaged');
    const result = await this.limit(() => {
      if (isClientDisconnected()) throw new Problem('request_timeout');
      return this.runJob({ bytes, format });
    });
    if ('problem' in result) throw new Problem(result.problem);
    return result;
  }

  onApplicationShutdown(): void {
    for (const worker of this.workers) worker.kill('SIGKILL');
  }

  private async runJob(job: ImageJob): Promise<ImageResult> {
    const worker = this.idle.pop() ?? this.startWorker();
    const timeout = AbortSignal.timeout(TIME_LIMIT_MS);
    const ended = new AbortController();
    const signal = AbortSignal.any([timeout, ended.signal]);
    try {
      const closed = once(worker, 'close', { signal }).then(([, killedBy]) => {
        if (killedBy === 'SIGKILL') throw unavailable('too_many_uploads'); // by the system, which is out of memory
        throw new Problem('picture_damaged'); // the image crashed its decoder
      });
      const answered = once(worker, 'message', { signal }) as Promise<[ImageResult]>;
      answered.catch(() => undefined);
      closed.catch(() => undefined);
      worker.send(job, (error) => error && worker.kill('SIGKILL'));
      const [result] = await Promise.race([answered, closed]);
      this.idle.push(worker);
      return result;
    } catch (error) {
      worker.kill('SIGKILL');
      const cause = timeout.aborted ? `no result after ${TIME_LIMIT_MS / 1000} s` : 'process ended';
      this.log.warn(`Processing a ${job.format} of ${job.bytes.length} bytes failed (${cause})`);
      throw timeout.aborted ? new Problem('picture_too_slow') : error;
    } finally {
      ended.abort();
    }
  }

  private startWorker(): ChildProcess {
    const worker = fork(WORKER_FILE, { env: {}, execArgv: [], serialization: 'advanced', stdio: 'ignore' });
    this.workers.add(worker);
    worker.once('error', () => worker.kill('SIGKILL'));
    worker.once('close', () => {
      this.workers.delete(worker);
      const index = this.idle.indexOf(worker);
      if (index >= 0) this.idle.splice(index, 1);
    });
    lowerPriority(worker);
    return worker;
  }
}

/** Processing must not slow down requests, nor take memory from the server. */
function lowerPriority({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  ignoreErrors(() => setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL));
  // Linux ends the process with the highest score first when memory runs out.
  ignoreErrors(() => writeFileSync(`/proc/${pid}/oom_score_adj`, '1000'));
}

/** The process may have ended already, or the system may not allow the call. */
function ignoreErrors(work: () => void): void {
  try {
    work();
  } catch {
    // see above
  }
}
