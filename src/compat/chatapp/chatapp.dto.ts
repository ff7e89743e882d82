import { validationFailed } from '../../http/problems/problem.js';

/** Credentials of a user. */
export class ChatappLoginDto {
  /** @example hana.sato */
  username: string;
  /** @example "cloudy harbour seven" */
  password: string;
}

/** A user to register. */
export class ChatappRegisterDto extends ChatappLoginDto {
  /** @example "Hana Sato" */
  fullname: string;
}

/**
 * Returns string fields of a body. Checks in the order of the chat app's document: presence of all, types of all, emptiness.
 * Throws `validation_failed` with the document's sentence.
 */
export function stringFields<K extends string>(body: object, ...names: K[]): Record<K, string> {
  const fields = body as Record<K, unknown>;
  const checks: [isWrong: (value: unknown) => boolean, sentence: string][] = [
    [(value) => value === undefined, 'required'],
    [(value) => typeof value !== 'string', 'should be a string'],
    [(value) => value === '', 'should not be empty'],
  ];
  for (const [isWrong, sentence] of checks) {
    const path = names.find((name) => isWrong(fields[name]));
    if (path !== undefined) throw validationFailed([{ path, message: `${path} ${sentence}` }]);
  }
  return Object.fromEntries(names.map((name) => [name, fields[name]])) as Record<K, string>;
}
