import type { Pool } from 'pg';

const BATCH_SIZE = 500;

/**
 * Reads the rows of a query of any size in batches, by a cursor in a transaction of its own: all rows are of one moment. Holds
 * a connection until the last batch has been taken, or the loop is left.
 */
export async function* readRows<Row extends object>(
  pool: Pool,
  sql: string,
  values: unknown[] = [],
): AsyncGenerator<Row[]> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin read only');
    await client.query(`declare batches no scroll cursor for ${sql}`, values);
    for (;;) {
      const { rows } = await client.query<Row>(`fetch ${BATCH_SIZE} from batches`);
      if (rows.length > 0) yield rows;
      if (rows.length < BATCH_SIZE) return;
    }
  } finally {
    await client.query('rollback').catch((error: Error) => (failure = error));
    client.release(failure); // a connection that cannot even roll back is closed
  }
}
