import type { Pool, QueryResultRow } from 'pg';
import { SharedRuns } from '../../common/concurrency/shared-runs.js';

/**
 * Reads rows by their ids, with one query for all requests that arrive in one turn of the event loop or while the previous query
 * runs.
 */
export class BatchedQuery<Row extends QueryResultRow> {
  private readonly runs: SharedRuns<string, Map<string, Row>>;

  /** `query` takes the ids as `$1`; `idOf` tells which of them a row belongs to. */
  constructor(pool: Pool, query: { name: string; text: string }, idOf: (row: Row) => string, maxWaitMs?: number) {
    this.runs = new SharedRuns(async (ids) => {
      const { rows } = await pool.query<Row>({ ...query, values: [[...ids]] });
      return new Map(rows.map((row) => [idOf(row), row]));
    }, maxWaitMs);
  }

  /** The row of an id, as of now. Requests share it: do not change it. */
  async find(id: string): Promise<Row | undefined> {
    return (await this.runs.join(id)).get(id);
  }
}
