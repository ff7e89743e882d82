import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/common/version.js';
import { ACCESS_TABLE } from '../support/api/access-table.js';
import type { Json } from './values.js';

export interface Schema {
  $ref?: string;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  type?: string;
  format?: string;
  nullable?: boolean;
  enum?: Json[];
  example?: Json;
  default?: Json;
  minimum?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
}

interface Media {
  schema: Schema;
  examples?: Record<string, unknown>;
}

/** A documented operation. */
export interface Operation {
  /** As in the access table: `GET /api/users/:id`. */
  name: string;
  method: string;
  /** With parameters in braces, as in openapi.json. */
  path: string;
  parameters: { in: string; name: string; schema: Schema }[];
  /** Schemas of the body by media type. */
  bodies: Record<string, Schema>;
  responses: Record<string, { content?: Record<string, Media> }>;
}

interface DocumentedOperation {
  parameters?: Operation['parameters'];
  requestBody?: { content: Record<string, Media> };
  responses: Operation['responses'];
}

interface Document {
  info: { description: string };
  components: { schemas: Record<string, Schema> };
  paths: Record<string, Record<string, DocumentedOperation>>;
}

export const document = JSON.parse(readFileSync(join(packageRoot(), 'openapi.json'), 'utf8')) as Document;

export const resolveRef = (schema: Schema): Schema =>
  schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)!]! : schema;

/** Whether a schema is a file, or a list of files. */
export const isFile = ({ format, items }: Schema): boolean => (items?.format ?? format) === 'binary';

/** Every operation but the WebSocket upgrade, which has a run of its own. */
export const OPERATIONS: Operation[] = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .map(([method, { parameters = [], requestBody, responses }]) => ({
      name: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      method: method.toUpperCase(),
      path,
      parameters,
      bodies: Object.fromEntries(
        Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) => [type, schema]),
      ),
      responses,
    }))
    .filter(({ name }) => name !== 'GET /api/ws'),
);

export type Role = 'anonymous' | 'user' | 'admin' | (string & {});

/** Routes of the old vaccine service, which take the token from the body. */
const TOKEN_IN_BODY = /^POST \/api\/(myvaccine|allvaccines|approve)$/;

/**
 * Whether a role may call an operation successfully, by the access table. Undefined for routes that read the token
 * themselves: they accept tokens that the table does not describe.
 */
export function isAllowed({ name }: Operation, role: Role): boolean | undefined {
  const access = ACCESS_TABLE[name];
  if (access === undefined) throw new Error(`test/support/api/access-table.ts does not name ${name}`);
  if (access === 'public') return true;
  if (access === 'any token of ours') return role === 'anonymous' ? undefined : true;
  if (role === 'anonymous') return TOKEN_IN_BODY.test(name) ? undefined : false;
  return access === 'signed in' || access === 'answers 401 itself' || role === 'admin' || role === access;
}
