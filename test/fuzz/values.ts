import fc from 'fast-check';

/** A value that JSON can express. `{{name}}` in texts stands for a value of the run: see World.resolve. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const nested = (depth: number): Json => {
  let value: Json = {};
  for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { a: value };
  return value;
};

const TRICKY_TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udc00b',
  '\u202eabc',
  '\ufeff',
  'e\u0301',
  '😀'.repeat(60),
  '__proto__',
  'constructor',
  'null',
  'NaN',
  '0x10',
  '1e3',
  '-1',
  '9'.repeat(400),
  "' or true --",
  '$1 \\ %s {0} ${7*7}',
  '../../etc/passwd',
  '<script>alert(1)</script>',
  'a\r\nSet-Cookie: b=c',
  '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42',
  '2026-02-30',
  '+81312345678',
  'x'.repeat(300),
  'x'.repeat(20_000),
];

const TRICKY_VALUES: Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  1e308,
  [],
  {},
  [null],
  { toString: 1 },
  { length: 1e9 },
  nested(20),
  nested(33),
  Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`k${i}`, i])),
  Array.from({ length: 2000 }, () => 'x'),
];

/** Texts that break parsers, databases and renderers, and random ones. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TRICKY_TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 100 }) },
);

/** Values of every JSON type. */
export const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TRICKY_VALUES) },
  { weight: 3, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json> },
);

interface Mutation {
  kind: 'replace' | 'remove' | 'add' | 'list' | 'rename';
  /** Chooses the place of the mutation. */
  at: number;
  key: string;
  value: Json;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'list', 'rename'),
  at: fc.nat(),
  key: fc.constantFrom('role_id', 'is_active', 'permissions', '__proto__', 'constructor', 'id', 'a\0', '\ud800', 'x'),
  value: hostileValue,
});

/** The value itself or with one to three changes of its fields. */
export const mutated = (value: Json): fc.Arbitrary<Json> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(value) },
    { weight: 4, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 3 }).map((all) => all.reduce(apply, value)) },
    { weight: 1, arbitrary: hostileValue },
  );

const isContainer = (value: Json): value is Json[] | Record<string, Json> =>
  typeof value === 'object' && value !== null;

/** Applies a mutation to a copy, at one of the fields on all levels. */
function apply(root: Json, { kind, at, key, value }: Mutation): Json {
  if (!isContainer(root)) return value;
  const copy = structuredClone(root);
  const places = placesIn(copy);
  const place = places[at % Math.max(1, places.length)];
  if (kind === 'add' || !place) {
    if (!Array.isArray(copy)) Object.defineProperty(copy, key, { value, enumerable: true, configurable: true });
    return copy;
  }
  const [container, name] = place;
  const old = container[name]!;
  if (kind === 'remove' || kind === 'rename') delete container[name];
  if (kind === 'rename') container[`${name}_`] = old;
  if (kind === 'list') container[name] = [old, old];
  if (kind === 'replace') container[name] = value;
  return copy;
}

function placesIn(value: Json): [container: Record<string, Json>, key: string][] {
  if (!isContainer(value)) return [];
  const fields = value as Record<string, Json>;
  return Object.keys(fields).flatMap((key) => [
    [fields, key] as [Record<string, Json>, string],
    ...placesIn(fields[key]!),
  ]);
}
