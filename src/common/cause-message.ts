/**
 * The message of the cause of an error, which tells an operator more than the error itself. Without a cause, the message of the
 * error.
 */
export function causeMessage(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
