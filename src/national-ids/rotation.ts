import { setTimeout as sleep } from 'node:timers/promises';
import { NIL } from 'uuid';

/** Rows that were looked at: renewed, or encrypted with a key that is not configured. `last` is null after the last row. */
export interface RenewedBatch {
  renewed: number;
  failed: number;
  last: string | null;
}

/** A table with national ids. */
export interface NationalIdTable {
  name: string;
  /**
   * Makes the values of some rows again with the current keys, in one transaction: rows after an id that have values of
   * former keys and are not locked.
   */
  renewBatch(after: string, size: number): Promise<RenewedBatch>;
  /** How many rows have values of former keys. */
  countFormer(): Promise<number>;
}

const BATCH_SIZE = 200;
const RETRY_MS = 200;

/**
 * Renews all rows of a table while servers use it. Each batch is a transaction of its own, so it can be stopped at any time
 * and started again, and several may run at once. Returns how many rows were renewed, and how many need a key that is not
 * configured. `onProgress` gets the rows so far.
 */
export async function renewTable(
  table: NationalIdTable,
  onProgress: (renewed: number) => void = () => undefined,
): Promise<{ renewed: number; failed: number }> {
  let total = 0;
  for (;;) {
    const { renewed, failed } = await renewPass(table, (count) => onProgress(total + count));
    total += renewed;
    const former = await table.countFormer();
    if (former <= failed) return { renewed: total, failed: former };
    if (renewed === 0) await sleep(RETRY_MS); // another process has locked the remaining rows
  }
}

async function renewPass(
  table: NationalIdTable,
  onProgress: (renewed: number) => void,
): Promise<{ renewed: number; failed: number }> {
  const sum = { renewed: 0, failed: 0 };
  for (let after: string | null = NIL; after !== null;) {
    const batch: RenewedBatch = await table.renewBatch(after, BATCH_SIZE);
    sum.renewed += batch.renewed;
    sum.failed += batch.failed;
    onProgress(sum.renewed);
    after = batch.last;
  }
  return sum;
}
