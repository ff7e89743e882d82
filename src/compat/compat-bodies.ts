import type { Request } from 'express';
import { assertShape, parseJson, readBytes } from '../http/json-body.js';
import { Problem } from '../http/problem.js';

/** Old doors that take bodies which no other route takes; each reads its own. */
export const OLD_BODIES: ReadonlySet<string> = new Set([
  'POST /api/register',
  'POST /api/auth/login',
  'POST /api/login',
  'POST /api/forgot_password',
  'POST /api/forgot',
  'POST /api/validate_code',
  'POST /api/validate',
  'POST /api/users/login',
]);

/** JSON, whatever the Content-Type says: "curl -d" says it is a form. */
export const readAnyJson = async (request: Request): Promise<object> => parseJson(await readBytes(request));

/** A form, urlencoded or multipart, or JSON. Raises `malformed_form` and what JSON raises. */
export async function readFields(request: Request): Promise<object> {
  const bytes = await readBytes(request);
  if (!request.is(['urlencoded', 'multipart'])) return parseJson(bytes);
  const headers = { 'content-type': request.headers['content-type']! };
  const form = await new Response(bytes, { headers }).formData().catch((cause: unknown) => {
    throw new Problem('malformed_form', { cause });
  });
  const fields = Object.fromEntries([...form].filter(([, value]) => typeof value === 'string'));
  assertShape(fields);
  return fields;
}
