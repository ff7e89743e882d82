/** The values of `changes` that differ from those in `current`, compared as JSON. Undefined counts as no change. */
export function changedValues<T extends object>(current: { [K in keyof T]?: unknown }, changes: T): Partial<T> {
  const isChanged = ([name, value]: [string, unknown]): boolean =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(current[name as keyof T]);
  return Object.fromEntries(Object.entries(changes).filter(isChanged)) as Partial<T>;
}
