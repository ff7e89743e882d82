import type { Pool, QueryResultRow } from 'pg';
import { setImmediate, setTimeout } from 'node:timers/promises';

interface Batch<Row> {
  ids: Set<string>;
  rows: Promise<Map<string, Row>>;
}

/** A query that takes longer does not delay the next one: its connection may be lost. */
const MAX_WAIT_MS = 20;

/**
 * Reads rows by their ids, with one query for all requests that arrive in one turn of the event loop or while the previous query
 * runs: under load, a query per request costs more than the rest of a short request. A query is sent after its requests have
 * arrived, so that what was removed before a request is never seen by it.
 */
export class BatchedQuery<Row extends QueryResultRow> {
  private next: Batch<Row> | undefined;
  /** Resolves when the query that was sent last has ended; undefined: it has. */
  private running: Promise<void> | undefined;

  /** `query` takes the ids as `$1`; `idOf` tells which of them a row belongs to. */
  constructor(
    private readonly pool: Pool,
    private readonly query: { name: string; text: string },
    private readonly idOf: (row: Row) => string,
    private readonly maxWaitMs = MAX_WAIT_MS,
  ) {}

  /** The row of an id, as of now. Requests share it: do not change it. */
  async find(id: string): Promise<Row | undefined> {
    const batch = (this.next ??= this.startBatch());
    batch.ids.add(id);
    return (await batch.rows).get(id);
  }

  private startBatch(): Batch<Row> {
    const ids = new Set<string>();
    return { ids, rows: this.read(ids) };
  }

  private async read(ids: Set<string>): Promise<Map<string, Row>> {
    await setImmediate(); // collects the other requests of this turn
    if (this.running) await Promise.race([this.running, setTimeout(this.maxWaitMs, undefined, { ref: false })]);
    this.next = undefined;
    const query = this.pool.query<Row>({ ...this.query, values: [[...ids]] });
    this.watch(query);
    const { rows } = await query;
    return new Map(rows.map((row) => [this.idOf(row), row]));
  }

  private watch(query: Promise<unknown>): void {
    const end = (): void => {
      if (this.running === running) this.running = undefined;
    };
    const running = query.then(end, end);
    this.running = running;
  }
}
