import cluster from 'node:cluster';
import type { Logger } from 'pino';
import type { Config } from './config/config.js';
import type { LogOutput } from './http/log/log-output.js';

const RESTART_MS = 1_000;
const MAX_RESTART_MS = 30_000;

/**
 * Runs `WORKERS` processes of this program that share its port. They are nodes like those on several machines: each has its own
 * pool, and the bus connects them. A worker that ends is started again: after a second, and after twice as long each time that it
 * ends without having listened. One that has never listened stops all: its settings are wrong.
 */
export class WorkerProcesses {
  private running = 0;
  /** By worker, how often it has ended since it listened; undefined if it never has. */
  private readonly failures: (number | undefined)[] = [];
  private isStopping = false;
  private exitCode = 0;

  constructor(
    private readonly config: Config,
    private readonly log: Logger,
    private readonly output: LogOutput,
  ) {}

  start(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.stop(signal));
    for (let index = 0; index < this.config.WORKERS; index++) this.fork(index);
  }

  /** Each worker has a port for its own metrics: METRICS_PORT, the next one, and so on. It has no workers itself. */
  private fork(index: number): void {
    const { METRICS_PORT } = this.config;
    const metricsPort = METRICS_PORT === undefined ? undefined : METRICS_PORT + index;
    const metrics = metricsPort === undefined ? {} : { METRICS_PORT: String(metricsPort) };
    const worker = cluster.fork({ WORKERS: '1', ...metrics });
    this.running++;
    worker.on('listening', ({ port }) => {
      if (port === metricsPort) return; // which it opens before PORT
      this.failures[index] = 0;
      this.log.info(`Worker ${index + 1} listens`);
    });
    worker.once('exit', (code, signal) => this.onExit(index, code ?? signal));
    worker.on('error', ({ message }) => {
      this.log.error(`Worker ${index + 1} failed (${message})`);
      if (worker.process.pid === undefined) this.onExit(index, 'not started'); // 'exit' does not follow
    });
  }

  private onExit(index: number, reason: number | string): void {
    this.running--;
    if (reason !== 0) this.exitCode = typeof reason === 'number' ? reason : 1;
    const failures = this.failures[index];
    if (!this.isStopping && failures !== undefined) {
      this.exitCode = 0;
      this.failures[index] = failures + 1;
      const delay = Math.min(RESTART_MS * 2 ** failures, MAX_RESTART_MS);
      this.log.error(`Worker ${index + 1} ended (${reason}); starting another one in ${delay} ms`);
      setTimeout(() => this.isStopping || this.fork(index), delay);
      return;
    }
    if (!this.isStopping) this.stop('SIGTERM');
    if (this.running === 0) void this.output.exit(this.exitCode);
  }

  private stop(signal: NodeJS.Signals): void {
    this.isStopping = true;
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
    if (this.running === 0) void this.output.exit(this.exitCode);
  }
}
