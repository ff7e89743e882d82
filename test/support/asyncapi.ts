import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AsyncApiDocument } from '../../src/chat/asyncapi.js';
import { packageRoot } from '../../src/common/version.js';

/** The committed document; `npm run check` holds it equal to the code. */
export const asyncapi = JSON.parse(readFileSync(join(packageRoot(), 'asyncapi.json'), 'utf8')) as AsyncApiDocument;

const ajv = new Ajv({ strict: false });
ajv.addSchema(asyncapi, 'asyncapi');

type Frame = { type?: unknown; success?: unknown };

/** Fails on a frame from the server that asyncapi.json does not describe. */
export function assertDocumented(frame: Frame, kind = frame.success === true ? 'success' : 'error'): void {
  const name = `${String(frame.type)}.${kind}`;
  const validate =
    name in asyncapi.components.messages && ajv.getSchema(`asyncapi#/components/messages/${name}/payload`);
  if (!validate) throw new Error(`asyncapi.json knows no ${name}`);
  if (!validate(frame)) throw new Error(`not as asyncapi.json says: ${ajv.errorsText(validate.errors)}`);
}
