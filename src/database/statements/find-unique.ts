import type { FindManyOptions, ObjectLiteral, Repository } from 'typeorm';

/**
 * The row with this unique key and its relations; null if there is none. TypeORM's `findOne` with relations sends two statements: one
 * for the key, so that its limit counts rows without their relations, and one for the row.
 */
export async function findUnique<Entity extends ObjectLiteral>(
  repository: Repository<Entity>,
  options: Pick<FindManyOptions<Entity>, 'where' | 'relations' | 'select'>,
): Promise<Entity | null> {
  const [row] = await repository.find(options);
  return row ?? null;
}
