import { EXIT } from './exit-codes.js';

/** How often a line about the progress is written where it cannot be replaced, and where it can (a terminal). */
const LINE_MS = 5_000;
const REDRAW_MS = 100;

/** Writes results to standard output, as text or as one JSON object, and the progress to standard error. */
export class Output {
  /** Set while standard output carries something else than the result, such as a backup. */
  isStdoutTaken = false;
  private writtenAt = -Infinity;
  private isLineOpen = false;

  /** A result that cannot be written does not interrupt the command, which closes its database. */
  constructor(readonly isJson: boolean) {
    process.stdout.on('error', ({ message }) => {
      if (this.isStdoutTaken) return; // whoever writes there handles it
      process.stderr.write(`The result cannot be written to standard output: ${message}.\n`);
      process.exitCode = EXIT.cannotCreate;
    });
  }

  /** Writes the result of a command. */
  result(result: object, text: string): void {
    this.endProgress();
    const stream = this.isStdoutTaken ? process.stderr : process.stdout;
    stream.write(`${this.isJson ? JSON.stringify(result) : text}\n`);
  }

  /** Writes an error: with --json as an object where the result would stand, else as a sentence to standard error. */
  error(code: string, message: string, details: object = {}): void {
    this.endProgress();
    if (this.isJson) this.result({ error: { code, message, ...details } }, '');
    else process.stderr.write(`${message}\n`);
  }

  /** A sentence for people that is no result. Not written with --json. */
  note(text: string): void {
    this.endProgress();
    if (!this.isJson) process.stderr.write(`${text}\n`);
  }

  /** Shows how far a long command is. Not written with --json. */
  progress(text: string): void {
    if (this.isJson) return;
    const isTerminal = process.stderr.isTTY;
    const now = performance.now();
    if (now - this.writtenAt < (isTerminal ? REDRAW_MS : LINE_MS)) return;
    this.writtenAt = now;
    this.isLineOpen = isTerminal;
    process.stderr.write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`);
  }

  private endProgress(): void {
    if (this.isLineOpen) process.stderr.write('\r\u001b[K');
    this.isLineOpen = false;
  }
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A number of bytes for people, such as 3.4 MiB. */
export function sizeText(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}
