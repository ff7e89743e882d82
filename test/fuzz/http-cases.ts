import fc from 'fast-check';
import { isFile, type Operation, resolveRef, type Schema } from './api-document.js';
import { FIELDS, valuesOf } from './field-values.js';
import { hostileText, type Json, mutated } from './values.js';

/** A generated request; texts may contain `{{name}}`. */
export interface HttpCase {
  parameters: Record<string, string>;
  query: [name: string, value: string][];
  /** `own`: the token of the role. Otherwise the value of the header, or none. */
  authorization: string | null;
  headers: [name: string, value: string][];
  body: Body | undefined;
}

export interface Body {
  contentType: string;
  /** JSON, fields of a form, or bytes in base64. */
  content:
    | { json: Json }
    | { text: Json }
    | { form: Json }
    | { multipart: Json; file: 'image' | 'noise' | 'large' | 'none' }
    | { zip: (typeof ARCHIVES)[number] };
  damage:
    'none' | 'truncated' | 'trailing' | 'duplicated' | 'invalid utf-8' | 'bom' | 'huge' | 'nested' | 'aborted' | 'gzip';
}

function skeleton(schema: Schema, operation: Operation, name = ''): fc.Arbitrary<Json> {
  const known = valuesOf(name, operation);
  if (known) return fc.constantFrom(...known);
  const of = resolveRef(schema);
  if (of.allOf) return skeleton(of.allOf[0]!, operation, name);
  if (of.anyOf) return fc.oneof(...of.anyOf.map((each) => skeleton(each, operation, name)));
  if (of.example !== undefined) return fc.constant(of.example);
  if (of.enum) return fc.constantFrom(...of.enum);
  if (of.items) return skeleton(of.items, operation).map((item) => [item]);
  if (of.properties) return objectOf(of, operation);
  if (of.format === 'uuid') return fc.constantFrom('{{user}}', '{{own.id}}', '{{unknown}}');
  return fc.constant(of.default ?? (of.type === 'boolean' ? true : of.type === 'string' ? 'text' : (of.minimum ?? 1)));
}

/** All required fields and any of the others. */
function objectOf({ properties = {}, required = [] }: Schema, operation: Operation): fc.Arbitrary<Json> {
  const fields = Object.entries(properties).map(([key, schema]) => [key, skeleton(schema, operation, key)] as const);
  return fc.record(Object.fromEntries(fields), { requiredKeys: required });
}

const HOSTILE_SEGMENTS = ['%00', '%ff', '%E0%A4%A', '%ED%A0%80', '..%2f..%2fetc', '.', '%2e%2e', '0', '-1', 'null'];

const hostileSegment = fc.oneof(
  fc.constantFrom(...HOSTILE_SEGMENTS),
  hostileText.map((text) => encodeURIComponent(text.toWellFormed().slice(0, 300)) || '%20'),
);

function parameterOf({ name, path }: { name: string; path: string }, schema: Schema): fc.Arbitrary<string> {
  const valid = schema.enum
    ? schema.enum.map(String)
    : (PARAMETERS[name] ?? [...idsOf(name, path), ...idsOf(name, path), ...idsOf(name, path), '{{unknown}}']);
  return fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...valid) }, { weight: 1, arbitrary: hostileSegment });
}

/** Values of parameters that are no ids. */
const PARAMETERS: Record<string, string[]> = {
  token: ['{{mail.link}}', '{{feed_token_secret}}'],
  number: ['0', '1', '2'],
  file_id: ['{{own.upload_file}}'],
};

/** The kind of the parameter `id`, by path. */
const ID_KINDS: [path: RegExp, kind: string][] = [
  [/\/vaccination\/vaccines\//, 'vaccine'],
  [/\/vaccination\/centres\//, 'centre'],
  [/\/vaccination\/lots\//, 'lot'],
  [/\/vaccination\/sessions\//, 'vaccination_session'],
  [/\/vaccination\/(registrations|fhir\/Patient|fhir\/ImmunizationRecommendation)\//, 'registration'],
  [/\/vaccination\/(appointments|fhir\/Appointment)\//, 'appointment'],
  [/\/vaccination\/fhir\/Slot\//, 'vaccination_session'],
  [/\/vaccination\/(doses|fhir\/Immunization)\//, 'dose'],
  [/\/vaccination\/adverse-events\//, 'adverse_event'],
  [/\/vaccination\/recalls\//, 'recall'],
  [/\/vaccination\/certificates\//, 'certificate'],
  [/\/moderation\/reports\//, 'report'],
  [/\/feed-tokens\//, 'feed_token'],
  [/\/chapters\//, 'chapter'],
  [/\/pages\//, 'page'],
  [/\/covers\//, 'cover'],
  [/\/announcements\//, 'announcement'],
  [/\/uploads\//, 'own.upload'],
  [/\/release-groups\//, 'release_group'],
  [/\/groups\//, 'group'],
  [/avatars/, 'avatar'],
  [/passkeys/, 'passkey'],
  [/identities/, 'identity'],
];

/** Ids of the kind that a parameter names. Users of roles are not among them, so that one role cannot change another. */
function idsOf(name: string, path: string): string[] {
  const isUser = name === 'user_id' || name === 'uuid' || (name === 'id' && /\/users\/\{id\}/.test(path));
  if (isUser) return ['{{user}}', '{{own.id}}'];
  if (name === 'username') return ['{{username}}'];
  if (name === 'registration_id') return ['{{registration}}'];
  if (name === 'id_or_slug') return ['{{project}}', '{{slug}}'];
  return [`{{${ID_KINDS.find(([pattern]) => pattern.test(path))?.[1] ?? 'session'}}}`];
}

const HOSTILE_HEADERS: [string, string][] = [
  ['if-none-match', '*'],
  ['if-none-match', '"x", W/"y"'],
  ['if-range', '"x"'],
  ['range', 'bytes=0-1'],
  ['range', 'bytes=5-2'],
  ['range', 'bytes=0-0,2-3'],
  ['range', 'bytes=999999999999-'],
  ['range', `bytes=${'0-1,'.repeat(500)}0-1`],
  ['origin', 'https://evil.example'],
  ['origin', 'null'],
  ['sec-fetch-site', 'cross-site'],
  ['cookie', 'login-token=x'],
  ['cookie', 'login-token={{own.token}}; login-token=x'],
  ['cookie', `a=${'x'.repeat(6000)}`],
  ['x-forwarded-for', "' or 1, ::1, 203.0.113.9"],
  ['x-forwarded-for', '203.0.113.7'],
  ['x-forwarded-host', 'evil.example'],
  ['x-http-method-override', 'DELETE'],
  ['x-request-id', 'x'.repeat(300)],
  ['accept', 'text/html, */*;q=0.1'],
  ['accept-encoding', 'gzip, br, *;q=0'],
  ['accept-language', '*'],
  ['user-agent', 'Mozilla/5.0 (Windows NT 10.0) Firefox/140.0 <script>'],
  ['user-agent', 'é'.repeat(300)],
  ['expect', '100-continue'],
  ['te', 'trailers'],
  ['x-large', 'x'.repeat(20_000)],
];

/** The routes of the manga site take tokens from its cookies only. */
const KANJIKU_COOKIES: [string, string] = ['cookie', 'IdentityToken={{own.token}}; RefreshToken={{own.refresh_token}}'];

const FLOOD: [string, string][] = Array.from({ length: 200 }, (_, i) => [`x-flood-${i}`, 'x']);

const anyHeaders: fc.Arbitrary<[string, string][]> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<[string, string][]>([]) },
  { weight: 4, arbitrary: fc.subarray(HOSTILE_HEADERS, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant(FLOOD) },
);

const headersOf = ({ path }: Operation): fc.Arbitrary<[string, string][]> =>
  path.startsWith('/api/v1/') ? anyHeaders.map((others) => [KANJIKU_COOKIES, ...others]) : anyHeaders;

const HOSTILE_TOKENS = [
  '',
  'Bearer',
  'Bearer ',
  'Bearer a.b.c',
  'Basic eDp5',
  'Bearer {{own.refresh_token}}',
  'Bearer  x',
];

const authorization: fc.Arbitrary<string | null> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('own') },
  { weight: 1, arbitrary: fc.constantFrom(null, ...HOSTILE_TOKENS, `Bearer ${'x'.repeat(9000)}`) },
);

const DAMAGES = [
  'truncated',
  'trailing',
  'duplicated',
  'invalid utf-8',
  'bom',
  'huge',
  'nested',
  'aborted',
  'gzip',
] as const;
const damage = fc.oneof(
  { weight: 10, arbitrary: fc.constant('none' as const) },
  { weight: 2, arbitrary: fc.constantFrom(...DAMAGES) },
);

/** Archives: with pictures, twice as likely as each that is refused. */
export const ARCHIVES = [
  'pictures',
  'pictures',
  'no pictures',
  'outside',
  'symbolic link',
  'wrong sum',
  'not a zip',
] as const;

const CONTENT_TYPES = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'application/json; charset=utf-16',
  'application/xml',
  '*/*',
  'application/json, text/plain',
];

function bodyOf(operation: Operation): fc.Arbitrary<Body | undefined> {
  const documented = Object.entries(operation.bodies).map(([type, schema]) =>
    contentOf(type, fieldsOf(schema, operation), isFile(schema)).chain((content) =>
      fc.record({
        content: fc.constant(content),
        damage,
        contentType: fc.oneof(
          { weight: 12, arbitrary: fc.constant(type) },
          { weight: 1, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
        ),
      }),
    ),
  );
  const unexpected = fc.record({
    content: fc.record({ json: mutated({ a: 1 }) }),
    damage,
    contentType: fc.constantFrom('application/json', ...CONTENT_TYPES),
  });
  const none = fc.constant(undefined);
  if (documented.length === 0) return fc.oneof({ weight: 9, arbitrary: none }, { weight: 1, arbitrary: unexpected });
  return fc.oneof({ weight: 12, arbitrary: fc.oneof(...documented) }, none, unexpected);
}

/** The fields of a body. Forms of files only get no others as a rule: they are refused. */
function fieldsOf(schema: Schema, operation: Operation): fc.Arbitrary<Json> {
  const valid = skeleton(schema, operation);
  const fields = Object.values(resolveRef(schema).properties ?? {});
  const hasFilesOnly = fields.length > 0 && fields.every(isFile);
  return hasFilesOnly ? fc.oneof({ weight: 4, arbitrary: valid }, valid.chain(mutated)) : valid.chain(mutated);
}

function contentOf(type: string, value: fc.Arbitrary<Json>, isArchive: boolean): fc.Arbitrary<Body['content']> {
  if (type === 'application/json') return fc.record({ json: value });
  if (type === 'text/csv') return fc.record({ text: value });
  if (type !== 'multipart/form-data' && isArchive) return fc.record({ zip: fc.constantFrom(...ARCHIVES) });
  if (type !== 'multipart/form-data') return fc.record({ form: value });
  return fc.record({ multipart: value, file: fc.constantFrom('image', 'image', 'image', 'noise', 'none', 'large') });
}

function queryOf({ parameters }: Operation): fc.Arbitrary<[string, string][]> {
  const documented = parameters.filter((parameter) => parameter.in === 'query');
  const pairs = documented.map(({ name, schema }) => {
    const own = [schema.example, schema.default, ...(schema.enum ?? [])].filter((value) => value !== undefined);
    const valid = FIELDS[name] ?? own;
    const value = fc.oneof(fc.constantFrom(...(valid.length ? valid.map(String) : ['x'])), hostileText);
    return value.map((text) => [name, text] as [string, string]);
  });
  const unknown = fc.tuple(fc.constantFrom('__proto__', 'x', 'limit[]', 'a\0', 'toString'), hostileText);
  const none = { weight: documented.length ? 2 : 12, arbitrary: fc.constant<[string, string][]>([]) };
  const some = fc.array(fc.oneof(unknown, ...pairs, ...pairs), { minLength: 1, maxLength: 3 });
  return fc.oneof(none, { weight: documented.length ? 6 : 1, arbitrary: some });
}

/** Requests to an operation: valid ones, and valid ones with some hostile parts. */
export function casesOf(operation: Operation): fc.Arbitrary<HttpCase> {
  const parameters = operation.parameters.filter((parameter) => parameter.in === 'path');
  const { path } = operation;
  return fc.record({
    parameters: fc.record(
      Object.fromEntries(parameters.map(({ name, schema }) => [name, parameterOf({ name, path }, schema)])),
    ),
    query: queryOf(operation),
    authorization,
    headers: headersOf(operation),
    body: bodyOf(operation),
  });
}
