import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';

/**
 * Inserts a row unless it violates a unique constraint. Returns whether it was inserted. A conflict throws no error, so the
 * transaction can continue.
 */
export async function insertOrIgnore<Entity extends ObjectLiteral>(
  manager: EntityManager,
  target: EntityTarget<Entity>,
  row: QueryDeepPartialEntity<Entity>,
): Promise<boolean> {
  const query = manager.createQueryBuilder().insert().into(target).values(row).orIgnore().returning('*');
  const { raw } = await query.execute();
  return (raw as unknown[]).length > 0;
}
