/** The JSON of a `T`, which is sent as it is. */
export class JsonText<T> {
  /** Only for the type. */
  declare private readonly value: T;

  constructor(readonly text: string) {}
}
