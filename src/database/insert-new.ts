import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';

/** False when a unique constraint has kept the row out: without an error, which would end the transaction. */
export async function insertNew<Entity extends ObjectLiteral>(
  manager: EntityManager,
  target: EntityTarget<Entity>,
  row: QueryDeepPartialEntity<Entity>,
): Promise<boolean> {
  const query = manager.createQueryBuilder().insert().into(target).values(row).orIgnore().returning('*');
  const { raw } = await query.execute();
  return (raw as unknown[]).length > 0;
}
