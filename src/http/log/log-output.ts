import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';

/** Of lines that wait until standard output is read. Further ones are dropped. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const FLUSH_TIMEOUT_MS = 1000;

/**
 * Standard output, for log lines. Requests do not wait for it: lines that its reader does not take are kept, those beyond 16 MiB are
 * dropped and counted. When nobody can read it any more, lines are discarded.
 */
export class LogOutput {
  private dropped = 0;
  private isClosed = false;
  private readonly stream = pino.destination({ dest: 1, sync: false, maxLength: MAX_WAITING_BYTES });

  constructor() {
    this.stream.on('error', () => (this.isClosed = true)); // pino itself discards later lines
    this.stream.on('drop', () => this.dropped++);
  }

  /** Calls `report` with the number of dropped lines whenever standard output is read again. */
  onDropped(report: (lines: number) => void): void {
    this.stream.on('drain', () => {
      if (this.dropped === 0) return;
      const lines = this.dropped;
      this.dropped = 0;
      report(lines);
    });
  }

  write(line: string): void {
    this.stream.write(line);
  }

  /**
   * Ends the process after its last log lines have been written. `process.exit` alone would try for ever to write them when the reader has
   * just ended, and would wait for one that does not read: then the process kills itself.
   */
  async exit(code: number): Promise<never> {
    if (!(await this.flush())) process.kill(process.pid, 'SIGKILL');
    process.exit(code);
  }

  /** Whether there is nothing left to write, after at most a second. */
  private async flush(): Promise<boolean> {
    if (this.isClosed) return true;
    const written = once(this.stream, 'drain').then(
      () => true,
      () => true, // nobody can read it any more
    );
    this.stream.write(''); // 'drain' follows also when nothing waits
    return Promise.race([written, setTimeout(FLUSH_TIMEOUT_MS, false)]);
  }
}
