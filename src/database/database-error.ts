/** The database cannot be used. The message is one sentence for the operator. */
export class DatabaseError extends Error {
  override readonly name: string = 'DatabaseError';
}

/** The database does not answer, or refuses the connection. */
export class DatabaseUnreachableError extends DatabaseError {
  override readonly name = 'DatabaseUnreachableError';
}
