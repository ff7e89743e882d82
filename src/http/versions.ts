import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { Problem } from './problems/problem.js';
import { isNotModified } from './representation.js';

/** The header of requests that change such a resource, for `@ApiHeader`. */
export const IF_MATCH = {
  name: 'If-Match',
  required: false,
  description: 'The ETag of the version that the change is based on, unless `version` is sent.',
};

/**
 * The entity tag of a resource with a version: the version, and a hash of the body, which may change without the version.
 */
export function versionTag(version: number, body: object): string {
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 16);
  return `"${version}-${hash}"`;
}

/** Sends a resource with a version: 304 when the client has it, else its body. */
export function sendVersioned(request: Request, response: Response, body: { version: number }): void {
  const etag = versionTag(body.version, body);
  response.set('etag', etag);
  if (isNotModified(request, etag)) response.status(304).end();
  else response.json(body);
}

/**
 * The version that a change is based on: from `If-Match`, an entity tag of `versionTag` or the bare version in quotes, or
 * from a field of the request. Throws `version_required` when both are missing, `version_conflict` for another tag.
 */
export function readExpectedVersion(ifMatch: string | undefined, field: number | undefined): number {
  const version = readOptionalVersion(ifMatch, field);
  if (version === undefined) throw new Problem('version_required');
  return version;
}

/** As `readExpectedVersion`, but undefined when both are missing. For changes that older clients send without a version. */
export function readOptionalVersion(ifMatch: string | undefined, field: number | undefined): number | undefined {
  if (ifMatch === undefined) return field;
  const version = /^"([1-9]\d{0,8})(?:-[\w-]{16})?"$/.exec(ifMatch.trim())?.[1];
  if (version === undefined || (field !== undefined && field !== Number(version)))
    throw new Problem('version_conflict');
  return Number(version);
}
