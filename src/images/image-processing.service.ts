import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants, cpus, setPriority } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import pLimit from 'p-limit';
import { ResultCounter } from '../http/metrics/result-counter.js';
import { Problem, unavailable } from '../http/problems/problem.js';
import { isClientDisconnected } from '../http/log/request-context.js';
import { MetricsService } from '../metrics/metrics.service.js';
import { packageRoot } from '../common/version.js';
import {
  type ImageJob,
  type ImageJobMessage,
  type ImageResult,
  type ImageSource,
  type ImageTarget,
  type ProcessedImages,
  SOURCE_FD,
} from './image-jobs.js';

const MAX_WORKERS = 4;
const DURATION_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const TIME_LIMITS_MS = { square: 10_000, page: 30_000 };
/**
 * The whole environment of a worker: no settings and no secrets. glibc would keep a pool of freed memory for each thread;
 * with two, a worker needs 100 instead of 170 MB.
 */
const WORKER_ENV = { MALLOC_ARENA_MAX: '2' };
/** The compiled file, also when Vitest runs the sources: Node 20 cannot run TypeScript. */
const WORKER_FILE = join(packageRoot(), 'dist/src/images/image-worker.js');

/**
 * Turns uploaded files into the images that are stored. Decoders are C code that reads untrusted input, so they run in
 * separate processes, one image each at a time. A process that hangs is killed, one that crashes is replaced.
 */
@Injectable()
export class ImageProcessingService implements OnApplicationShutdown {
  /** How many images are processed at a time. Further ones wait. */
  readonly concurrency = Math.min(MAX_WORKERS, cpus().length);
  private readonly log = new Logger(ImageProcessingService.name);
  private readonly limit = pLimit(this.concurrency);
  private readonly idle: ChildProcess[] = [];
  private readonly workers = new Set<ChildProcess>();
  private readonly results: ResultCounter<'kind'>;
  private readonly durations;

  constructor(metrics: MetricsService) {
    this.results = new ResultCounter(metrics, 'machi_image_jobs_total', 'Processed images by kind and result.', [
      'kind',
    ]);
    this.durations = metrics.histogram('machi_image_job_duration_seconds', 'Time in an image worker.', {
      labelNames: ['kind'],
      buckets: DURATION_BUCKETS,
    });
    metrics.gauge('machi_image_jobs_waiting', 'Images that wait for a worker.', () => this.limit.pendingCount);
    metrics.gauge('machi_image_jobs_running', 'Images that workers process.', () => this.limit.activeCount);
  }

  /**
   * Makes the files of an image from its bytes, or from a file on this machine. `square`: upright WebP images in all sizes, without
   * metadata. `page`: the files of a page. With a target, the worker writes them there: their bytes do not pass through this process.
   * Throws `unsupported_picture`, `picture_damaged`, `picture_too_large`, `picture_too_slow`, for a page `file_too_large`,
   * `storage_unavailable`, `too_many_uploads` when the system is out of memory, and `request_timeout` when the client has
   * disconnected.
   */
  async make<Kind extends ImageJob['kind']>(
    kind: Kind,
    source: ImageSource,
    target: ImageTarget | null,
  ): Promise<ProcessedImages[Kind]> {
    const result = await this.results.watch(this.runInTurn({ kind, source, target }), { kind });
    return result as ProcessedImages[Kind];
  }

  onApplicationShutdown(): void {
    for (const worker of this.workers) worker.kill('SIGKILL');
  }

  private async runInTurn(job: ImageJob): Promise<ProcessedImages[ImageJob['kind']]> {
    const result = await this.limit(() => {
      if (isClientDisconnected()) throw new Problem('request_timeout');
      return this.runJob(job);
    });
    if ('problem' in result) {
      throw result.problem === 'storage_unavailable'
        ? unavailable(result.problem, new Error(result.cause))
        : new Problem(result.problem);
    }
    return result;
  }

  private async runJob(job: ImageJob): Promise<ImageResult> {
    const worker = this.idle.pop() ?? this.startWorker();
    const timeLimit = TIME_LIMITS_MS[job.kind];
    const stop = this.durations.startTimer({ kind: job.kind });
    const timeout = AbortSignal.timeout(timeLimit);
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
      send(worker, job);
      const [result] = await Promise.race([answered, closed]);
      this.idle.push(worker);
      return result;
    } catch (error) {
      worker.kill('SIGKILL');
      const cause = timeout.aborted ? `no result after ${timeLimit / 1000} s` : 'process ended';
      this.log.warn(`Processing an image (${job.kind}) failed: ${cause}`);
      throw timeout.aborted ? new Problem('picture_too_slow') : error;
    } finally {
      ended.abort();
      stop();
    }
  }

  /** Throws `too_many_uploads` when the system has no process, memory or file descriptors for a worker. */
  private startWorker(): ChildProcess {
    const worker = this.fork();
    if (worker?.pid === undefined) throw unavailable('too_many_uploads');
    this.workers.add(worker);
    worker.stdio[SOURCE_FD]!.on('error', () => undefined); // the process has ended
    worker.once('close', () => {
      this.workers.delete(worker);
      const index = this.idle.indexOf(worker);
      if (index >= 0) this.idle.splice(index, 1);
    });
    lowerPriority(worker);
    return worker;
  }

  /** Without a process, or undefined, when it cannot be started: some errors are thrown, others follow as an event. */
  private fork(): ChildProcess | undefined {
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'ipc'] as const; // the pipe is SOURCE_FD
    const onError = ({ message }: Error): void => this.log.warn(`An image worker failed (${message})`);
    try {
      const worker = fork(WORKER_FILE, { env: WORKER_ENV, execArgv: [], serialization: 'advanced', stdio: [...stdio] });
      worker.once('error', (error) => {
        onError(error);
        worker.kill('SIGKILL');
      });
      return worker;
    } catch (error) {
      onError(error as Error);
      return undefined;
    }
  }
}

/**
 * Bytes are written to a pipe as they have arrived. In the message they would be copied, and V8 collects garbage more often the more
 * memory buffers take. See docs/decisions/image-workers.md.
 */
function send(worker: ChildProcess, { source, ...job }: ImageJob): void {
  const isBytes = Array.isArray(source);
  const size = isBytes ? source.reduce((sum, { length }) => sum + length, 0) : 0;
  const message: ImageJobMessage = { ...job, source: isBytes ? { size } : source };
  worker.send(message, (error) => error && worker.kill('SIGKILL'));
  if (!isBytes) return;
  const pipe = worker.stdio[SOURCE_FD] as Writable;
  pipe.cork(); // one system call for all pieces
  for (const piece of source) pipe.write(piece);
  pipe.uncork();
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
