import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/common/version.js';

/** The committed document; `npm run check` holds it equal to the code. */
export const asyncapi = JSON.parse(readFileSync(join(packageRoot(), 'asyncapi.json'), 'utf8')) as {
  components: { messages: Record<string, object> };
};

const ajv = new Ajv({ strict: false });
ajv.addSchema(asyncapi, 'asyncapi');

/** Fails on a frame from the server that asyncapi.json does not describe. */
export function assertDocumented(frame: { type?: unknown; success?: unknown }): void {
  const name = `${String(frame.type)}.${frame.success === true ? 'success' : 'error'}`;
  const validate =
    name in asyncapi.components.messages && ajv.getSchema(`asyncapi#/components/messages/${name}/payload`);
  if (!validate) throw new Error(`asyncapi.json knows no ${name}`);
  if (!validate(frame)) throw new Error(`not as asyncapi.json says: ${ajv.errorsText(validate.errors)}`);
}
