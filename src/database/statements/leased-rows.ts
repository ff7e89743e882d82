import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { returningRows } from './returning.js';

const LEASE_SECONDS = 10;
const RENEWAL_INTERVAL_MS = 3_000;
const LEASE_END = `clock_timestamp() + interval '${LEASE_SECONDS} seconds'`;

/** A row that this process works on. */
export interface Claim<Row> {
  row: Row;
  claimId: string;
}

/**
 * Rows of a table that one process at a time works on. The table has the columns `claim_id`, `claimed_until` and `attempts`. The
 * process renews its claim while it works; 10 seconds after it has died, another one can claim the row. A statement that must only
 * succeed for the process that has the row compares `claim_id`.
 */
export class LeasedRows<Row extends { id: string }> {
  private readonly claimSql: string;
  private readonly renewSql: string;
  private readonly releaseSql: string;

  /** `isUnfinished`: the condition of rows that are to be worked on. `onClaim`: what a claim also sets. */
  constructor(
    private readonly manager: EntityManager,
    { table, isUnfinished, onClaim = '' }: { table: string; isUnfinished: string; onClaim?: string },
  ) {
    this.claimSql = `update ${table} set claim_id = $1, claimed_until = ${LEASE_END}, attempts = attempts + 1${onClaim && `, ${onClaim}`}
      where id = (select id from ${table} where ${isUnfinished} and (claimed_until is null or claimed_until < clock_timestamp())
        order by id limit 1 for update skip locked) returning *`;
    this.renewSql = `update ${table} set claimed_until = ${LEASE_END}
      where id = $1 and claim_id = $2 and ${isUnfinished} returning id`;
    this.releaseSql = `update ${table} set claim_id = null, claimed_until = clock_timestamp() + $3 * interval '1 second',
        attempts = greatest(0, attempts - case when $4 then 0 else 1 end)
      where id = $1 and claim_id = $2`;
  }

  /** Claims the oldest row that no process works on; undefined when there is none. */
  async claim(): Promise<Claim<Row> | undefined> {
    const claimId = uuidv7();
    const [row] = await returningRows<Row>(this.manager, this.claimSql, [claimId]);
    return row && { row, claimId };
  }

  /**
   * Calls `work` and renews the claim until it has ended. Its signal is aborted when `stopping` is, and when the claim is lost: another
   * process has the row, or it is finished.
   */
  async whileClaimed<Result>(
    { row, claimId }: Claim<Row>,
    stopping: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const lost = new AbortController();
    const renewal = setInterval(() => {
      returningRows(this.manager, this.renewSql, [row.id, claimId]).then(
        ({ length }) => length > 0 || lost.abort(),
        () => undefined, // the database fails: so does the next statement of the work
      );
    }, RENEWAL_INTERVAL_MS);
    try {
      return await work(AbortSignal.any([stopping, lost.signal]));
    } finally {
      clearInterval(renewal);
    }
  }

  /** Lets the row be claimed again after `seconds`. `isAttempt`: whether this run counts. Does nothing when the claim is lost. */
  async release({ row, claimId }: Claim<Row>, seconds: number, isAttempt: boolean): Promise<void> {
    await this.manager.query(this.releaseSql, [row.id, claimId, seconds, isAttempt]);
  }
}
