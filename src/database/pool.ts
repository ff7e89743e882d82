/** Injection token of the pg pool under TypeORM, for the measured hot paths that send one prepared statement. */
export const POOL = Symbol('POOL');
