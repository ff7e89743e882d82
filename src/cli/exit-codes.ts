/** The exit codes of `machi`. They are stable; docs/operations.md lists them. Those above 63 are from sysexits.h. */
export const EXIT = {
  /** Refused or failed. `doctor`: something is wrong. */
  failed: 1,
  usage: 64,
  /** A backup is damaged, incomplete, or of a newer version. */
  badData: 65,
  /** A backup cannot be read. */
  noInput: 66,
  /** The database or the storage cannot be reached. */
  unavailable: 69,
  /** The output exists or cannot be written. */
  cannotCreate: 73,
  config: 78,
} as const;

type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command cannot be carried out. The message is for the operator; `code` is the stable name for programs. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly code: string,
    message: string,
    readonly exitCode: ExitCode = EXIT.failed,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
