import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { setImmediate } from 'node:timers/promises';
import type { EntityManager } from 'typeorm';
import { FairQueue } from '../../common/concurrency/fair-queue.js';
import { ADVISORY_LOCKS, LOCK_EXCLUSIVE } from '../../database/advisory-locks.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { readTable, type Table } from './csv-table.js';
import { type ImportReportDto, toImportErrorDto } from './imports.dto.js';
import { RowError } from './row-error.js';
import type { Change, TableImport } from './table-import.js';

/** Other requests are served after so many rows. */
const ROWS_PER_TURN = 100;
/** Rows that are written by one statement. */
const BATCH_SIZE = 500;
const MAX_WAITING = 20;

interface ReadRow<Item> {
  row: number;
  item: Item;
}

interface Plan<Item, Stored> {
  created: Item[];
  updated: Change<Item, Stored>[];
  unchanged: number;
  errors: RowError[];
}

/** Imports tables: all rows or none. */
@Injectable()
export class ImportsService {
  /** An import occupies the processor and locks many rows. */
  private readonly queue = new FairQueue({
    concurrency: 1,
    maxWaiting: MAX_WAITING,
    onFull: () => unavailable('busy'),
  });

  constructor(@InjectEntityManager() private readonly manager: EntityManager) {}

  /** Imports a table, or says what the import would do. Throws `import_refused` with one error for each wrong row, `busy`. */
  run<References, Item, Stored>(
    kind: TableImport<References, Item, Stored>,
    caller: Caller,
    bytes: Buffer,
    isDryRun: boolean,
  ): Promise<ImportReportDto> {
    return this.queue.run([caller.id], async () => {
      const table = await readTable(bytes, kind.columns);
      const rows = table.rows.length + table.errors.length;
      const plan = await this.manager.transaction((manager) => this.apply(manager, kind, caller, table, isDryRun));
      const errors = plan.errors.map(toImportErrorDto);
      if (errors.length > 0 && !isDryRun) throw new Problem('import_refused', { members: { rows, errors } });
      const { created, updated, unchanged } = plan;
      return { dry_run: isDryRun, rows, created: created.length, updated: updated.length, unchanged, errors };
    });
  }

  private async apply<References, Item, Stored>(
    manager: EntityManager,
    kind: TableImport<References, Item, Stored>,
    caller: Caller,
    table: Table,
    isDryRun: boolean,
  ): Promise<Plan<Item, Stored>> {
    if (!isDryRun) await manager.query(LOCK_EXCLUSIVE, [ADVISORY_LOCKS.imports]);
    const plan = await makePlan(manager, kind, table, !isDryRun && table.errors.length === 0);
    if (isDryRun || plan.errors.length > 0) return plan;
    for (const items of batchesOf(plan.created)) await kind.create(manager, caller, items);
    for (const changes of batchesOf(plan.updated)) await kind.update(manager, caller, changes);
    return plan;
  }
}

async function makePlan<References, Item, Stored>(
  manager: EntityManager,
  kind: TableImport<References, Item, Stored>,
  { rows, errors: tableErrors }: Table,
  lock: boolean,
): Promise<Plan<Item, Stored>> {
  const plan: Plan<Item, Stored> = { created: [], updated: [], unchanged: 0, errors: [...tableErrors] };
  if (rows.length === 0) return plan;
  const references = await kind.load(manager, rows);
  const seen = new Map<string, number>();
  const read = await collect(rows, plan.errors, ({ row, cells }) => {
    const item = kind.read(cells, references);
    const key = kind.keyOf(item);
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      throw new RowError('duplicate_row', `Row ${earlier} is about the same; remove one of them.`, kind.keyColumn);
    }
    seen.set(key, row);
    return { row, item };
  });
  await decide(manager, kind, read, plan, lock);
  plan.errors.sort((a, b) => (a.row ?? 0) - (b.row ?? 0));
  return plan;
}

/** Compares the rows with what is stored. */
async function decide<References, Item, Stored>(
  manager: EntityManager,
  kind: TableImport<References, Item, Stored>,
  rows: ReadRow<Item>[],
  plan: Plan<Item, Stored>,
  lock: boolean,
): Promise<void> {
  const items = rows.map(({ item }) => item);
  const found = await kind.find(manager, items, lock);
  const indexed = rows.map(({ row, item }, index) => ({ row, item, index }));
  await collect(indexed, plan.errors, ({ item, index }) => {
    const stored = found.get(index);
    if (stored === undefined) {
      kind.assertCreatable?.(item);
      plan.created.push(item);
    } else if (kind.isChange(item, stored)) plan.updated.push({ item, stored });
    else plan.unchanged++;
  });
}

/** The results of the rows. The errors of the others are added to `errors`. */
async function collect<Row extends { row: number }, Result>(
  rows: Row[],
  errors: RowError[],
  work: (row: Row) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const [index, row] of rows.entries()) {
    if (index % ROWS_PER_TURN === 0) await setImmediate();
    try {
      results.push(work(row));
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      errors.push(error.at(row.row));
    }
  }
  return results;
}

function* batchesOf<T>(items: T[]): Generator<T[]> {
  for (let start = 0; start < items.length; start += BATCH_SIZE) yield items.slice(start, start + BATCH_SIZE);
}
