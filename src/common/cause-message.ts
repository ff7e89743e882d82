/** The message of what caused an error, which tells an operator more than the error itself; without a cause, its own. */
export function causeMessage(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
