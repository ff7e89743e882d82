/** Collects the values of a statement that is put together from parts. */
export class SqlValues {
  readonly all: unknown[] = [];

  /** Adds a value and returns its placeholder, such as `$3`. */
  add(value: unknown): string {
    return `$${this.all.push(value)}`;
  }
}
