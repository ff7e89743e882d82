import type { Pool } from 'pg';
import type { EntityManager } from 'typeorm';

/** A prepared statement. */
export interface Statement {
  name: string;
  text: string;
}

/** Runs a statement and returns its rows. */
export type ReadRows = <Row extends object>(statement: Statement, values: unknown[]) => Promise<Row[]>;

/** Reads outside a transaction. */
export const fromPool =
  (pool: Pool): ReadRows =>
  async <Row extends object>(statement: Statement, values: unknown[]) =>
    (await pool.query<Row>({ ...statement, values })).rows;

/** Reads inside the transaction of this manager. */
export const fromManager =
  (manager: EntityManager): ReadRows =>
  ({ text }, values) =>
    manager.query(text, values);
