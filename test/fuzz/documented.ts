import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { document, type Operation, type Schema } from './api-document.js';
import type { HttpAnswer } from './http-client.js';

/** What a request has beyond what its operation documents. */
export interface Excess {
  /** Query parameters, or path parameters that are not valid text. */
  hasUrlText: boolean;
  /** A body, although the operation takes no JSON. */
  hasBody: boolean;
  /** `If-None-Match` on a GET. */
  isConditional: boolean;
}

const ALWAYS = ['bad_request', 'request_timeout', 'headers_too_large', 'rate_limited'];
const FOR_URL_TEXT = ['invalid_text', 'validation_failed'];
const FOR_BODY = ['unsupported_media_type', 'malformed_json', 'body_too_complex', 'body_too_large', ...FOR_URL_TEXT];

/** The codes that the introduction of openapi.json names for all routes, as far as they apply to the request. */
const generalCodes = ({ hasUrlText, hasBody }: Excess): string[] =>
  [...ALWAYS, ...(hasUrlText ? FOR_URL_TEXT : []), ...(hasBody ? FOR_BODY : [])].filter((code) =>
    document.info.description.includes(`\`${code}\``),
  );

/** The key of a schema in ajv. */
const nameOf = (ref: string): string => ref.split('/').at(-1)!;

/**
 * A schema that also refuses undocumented fields. OpenAPI 3.0 has the keyword `nullable`, which ajv ignores beside a
 * reference.
 */
function strict(schema: Schema): Schema {
  const { nullable, $ref, ...rest } = schema;
  const map = (all: Schema[] | undefined) => all?.map(strict);
  const result: Schema = {
    ...rest,
    ...($ref ? { $ref: nameOf($ref) } : {}),
    ...(schema.allOf ? { allOf: map(schema.allOf) } : {}),
    ...(schema.anyOf ? { anyOf: map(schema.anyOf) } : {}),
    ...(schema.oneOf ? { oneOf: map(schema.oneOf) } : {}),
    ...(schema.items ? { items: strict(schema.items) } : {}),
    ...(schema.properties
      ? {
          properties: Object.fromEntries(Object.entries(schema.properties).map(([key, value]) => [key, strict(value)])),
          additionalProperties: schema.additionalProperties ?? false,
        }
      : {}),
  };
  return nullable ? { anyOf: [result, { type: 'null' }] } : result;
}

const ajv = new Ajv({ strict: false, allErrors: true });
formats.default(ajv);
for (const [name, schema] of Object.entries(document.components.schemas)) {
  ajv.addSchema(strict(schema), name);
}
const validators = new Map<string, ValidateFunction>();

function schemaFault(key: string, schema: Schema, body: unknown): string | undefined {
  const validate = validators.get(key) ?? ajv.compile(strict(schema));
  validators.set(key, validate);
  return validate(body) ? undefined : ajv.errorsText(validate.errors);
}

const typeOf = (contentType: string | undefined): string => (contentType ?? '').split(';')[0]!.trim().toLowerCase();

/** What openapi.json does not say about the answer; undefined if it describes the answer completely. */
export function findUndocumented(operation: Operation, answer: HttpAnswer, excess: Excess): string | undefined {
  const { status, headers, body } = answer;
  const type = typeOf(headers['content-type']);
  if (headers['x-request-id'] === undefined) return 'there is no X-Request-Id';
  const problem = type === 'application/problem+json' ? (JSON.parse(body.toString()) as { code: string }) : undefined;
  if (problem && generalCodes(excess).includes(problem.code)) {
    return schemaFault('Problem', { $ref: '#/components/schemas/Problem' }, problem);
  }
  if (status === 304 && excess.isConditional && document.info.description.includes('- 304 ')) return undefined;
  const response = operation.responses[String(status)];
  if (!response) return `the status ${status} ${problem?.code ?? ''} is not documented`;
  if (!response.content)
    return body.length > 0 && status !== 304 ? `a body of type ${type} is not documented` : undefined;
  const media = response.content[type] ?? response.content['*/*'];
  if (!media) return `the type "${type}" is not documented for the status ${status}`;
  if (problem && !(problem.code in (media.examples ?? {}))) return `the code ${problem.code} is not documented`;
  if (!type.endsWith('json')) return undefined;
  const fault = schemaFault(`${operation.name} ${status} ${type}`, media.schema, JSON.parse(body.toString()));
  return fault && `the body does not match its schema: ${fault}`;
}
