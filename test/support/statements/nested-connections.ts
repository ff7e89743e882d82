import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';

type Work = (manager: EntityManager) => Promise<unknown>;
type Call = (...args: unknown[]) => unknown;

/**
 * The transaction in which the code runs. One for all applications of a test process: each `AsyncLocalStorage` that was used
 * costs time with every promise, until the process ends.
 */
const transactions = new AsyncLocalStorage<{ dataSource: DataSource; isOpen: boolean }>();

/**
 * Finds code that asks the pool for a second connection inside a transaction: as many such requests at once as the pool has
 * connections wait for each other. Returns where, one line for each call.
 */
export function watchNestedConnections(dataSource: DataSource): () => string[] {
  const found = new Set<string>();
  const { manager } = dataSource;
  const transaction = manager.transaction.bind(manager) as Call;
  manager.transaction = ((...args: unknown[]) => {
    const work = args.pop() as Work;
    const tracked: Work = (inner) => {
      const current = { dataSource, isOpen: true };
      return transactions.run(current, () => work(inner).finally(() => (current.isOpen = false)));
    };
    return transaction(...args, tracked);
  }) as typeof manager.transaction;
  const pool = (dataSource.driver as unknown as { master: Pool }).master as unknown as Record<string, Call>;
  for (const name of ['connect', 'query']) {
    const call = pool[name]!.bind(pool);
    pool[name] = (...args) => {
      const current = transactions.getStore();
      if (current?.isOpen && current.dataSource === dataSource) found.add(callSite());
      return call(...args);
    };
  }
  return () => [...found];
}

/** The lines of our sources on the stack. */
function callSite(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 50;
  const { stack = '' } = new Error('a second connection');
  Error.stackTraceLimit = stackTraceLimit;
  return stack
    .split('\n')
    .filter((line) => /\/src\//.test(line) && !line.includes('node_modules'))
    .map((line) => line.trim())
    .join(' < ');
}
