/** The embedded server cannot run here. The message is one sentence for the operator. */
export class EmbeddedPostgresError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`${reason} Set DATABASE_URL to a PostgreSQL 15 or newer to run without the embedded one.`, options);
    this.name = 'EmbeddedPostgresError';
  }
}
