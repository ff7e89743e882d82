/** Injection token of the pg pool under TypeORM, for the measured hot paths that send one prepared statement. */
export const POOL = Symbol('POOL');

/** Injection token of the options (SessionConfig) for connections that keep their session: around the pooler, if there is one. */
export const DIRECT = Symbol('DIRECT');
