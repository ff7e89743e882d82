import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';

/** How many bytes of lines wait until they can be written. Further lines are dropped. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const FLUSH_TIMEOUT_MS = 1000;

/**
 * Standard output, for log lines. Requests do not wait for it: lines that its reader does not take, or that do not fit on a full disk, are
 * kept; those beyond 16 MiB are dropped and counted. When its reader has ended, lines are discarded.
 */
export class LogOutput {
  private dropped = 0;
  private isClosed = false;
  private readonly stream = pino.destination({ dest: 1, sync: false, maxLength: MAX_WAITING_BYTES });

  constructor() {
    this.stream.on('error', ({ code }: NodeJS.ErrnoException) => (this.isClosed ||= code === 'EPIPE'));
    this.stream.on('drop', () => this.dropped++);
    process.stdout.on('error', () => undefined); // start messages that cannot be written must not stop the server
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
    this.stream.destroy(); // what could not be written by now is lost
    process.exit(code);
  }

  /** Waits until all lines are written or cannot be written. False if that takes more than a second. */
  private async flush(): Promise<boolean> {
    if (this.isClosed) return true;
    const ended = once(this.stream, 'drain').then(
      () => true,
      () => true, // its 'error'
    );
    this.stream.write(''); // 'drain' or 'error' follows also when nothing waits
    return Promise.race([ended, setTimeout(FLUSH_TIMEOUT_MS, false)]);
  }
}
