/** An entity manager, a repository, a query runner or a data source. */
interface Queryable {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/**
 * Runs a statement with a `returning` clause and returns its rows. TypeORM answers an insert with the rows, but an update
 * or a delete with `[rows, count]`.
 */
export async function returningRows<Row>(database: Queryable, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  const result = (await database.query(sql, parameters)) as Row[] | [rows: Row[], count: number];
  return Array.isArray(result[0]) ? result[0] : (result as Row[]);
}
