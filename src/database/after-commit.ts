import { type EntityManager, type EntitySubscriberInterface, EventSubscriber, type QueryRunner } from 'typeorm';

type Callback = () => void;

const callbacks = new WeakMap<QueryRunner, Callback[]>();

/**
 * Calls `callback` when the transaction of this manager has been committed, and not at all when it is rolled back. For work
 * that must not start earlier, such as waking a worker. A process that dies in between does not call it.
 */
export function afterCommit({ queryRunner }: EntityManager, callback: Callback): void {
  if (!queryRunner?.isTransactionActive) throw new Error('afterCommit needs the manager of a transaction.');
  const pending = callbacks.get(queryRunner);
  if (pending) pending.push(callback);
  else callbacks.set(queryRunner, [callback]);
}

/** TypeORM calls this for every transaction of the data source. */
@EventSubscriber()
export class AfterCommitSubscriber implements EntitySubscriberInterface {
  afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): void {
    const pending = callbacks.get(queryRunner) ?? [];
    callbacks.delete(queryRunner);
    for (const callback of pending) callback();
  }

  afterTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    callbacks.delete(queryRunner);
  }
}
