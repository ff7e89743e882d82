import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AsyncApiDocument } from '../../../src/chat/asyncapi.js';
import { type ChatSchema, exampleOf as composeExample } from '../../../src/chat/example-of.js';
import { packageRoot } from '../../../src/common/version.js';

/** The committed document; `npm run check` fails if it differs from the code. */
export const asyncapi = JSON.parse(readFileSync(join(packageRoot(), 'asyncapi.json'), 'utf8')) as AsyncApiDocument;

const ajv = new Ajv({ strict: false, formats: { uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i } });
ajv.addSchema(asyncapi, 'asyncapi');

type Frame = { type?: unknown; success?: unknown };

/** Throws if asyncapi.json does not describe the frame. */
export function assertDocumented(frame: Frame, kind = frame.success === true ? 'success' : 'error'): void {
  const name = `${String(frame.type)}.${kind}`;
  const validate =
    name in asyncapi.components.messages && ajv.getSchema(`asyncapi#/components/messages/${name}/payload`);
  if (!validate) throw new Error(`asyncapi.json does not describe ${name}`);
  if (!validate(frame)) throw new Error(`The frame does not match asyncapi.json: ${ajv.errorsText(validate.errors)}`);
}

/** A value for a schema, composed of the examples of its fields. */
export const exampleOf = (schema: ChatSchema): unknown => composeExample(schema, asyncapi.components.schemas);
