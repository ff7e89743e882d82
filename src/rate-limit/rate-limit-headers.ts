import type { ThrottlerStorage } from '@nestjs/throttler';
import { Problem } from '../http/problems/problem.js';
import { requestContext } from '../http/log/request-context.js';
import type { Quota } from './quotas.js';

/** A limit and how much of it the client has used, as draft-ietf-httpapi-ratelimit-headers describes it. */
export interface RateLimitState {
  name: string;
  limit: number;
  windowSeconds: number;
  remaining: number;
  resetSeconds: number;
}

/** Sets `RateLimit` and `RateLimit-Policy` on the response of the current request, if there is one. */
export function sendRateLimitHeaders(state: RateLimitState): void {
  const response = requestContext()?.response;
  if (!response || response.headersSent) return;
  for (const [name, value] of Object.entries(rateLimitHeaders(state))) response.setHeader(name, value);
}

/** The problem of an exhausted limit: 429 with the two headers and `Retry-After`. */
export const rateLimited = (state: RateLimitState): Problem =>
  new Problem('rate_limited', {
    headers: { ...rateLimitHeaders(state), 'retry-after': String(state.resetSeconds) },
  });

/** Sends the headers of a quota after a request was counted. Throws `rate_limited` if it was beyond the limit. */
export function sendQuotaHeaders(
  { name, limit, windowMs }: Quota,
  { totalHits, timeToExpire, isBlocked }: Awaited<ReturnType<ThrottlerStorage['increment']>>,
): void {
  const remaining = isBlocked ? 0 : Math.max(0, limit - totalHits);
  const state = { name, limit, windowSeconds: windowMs / 1000, remaining, resetSeconds: timeToExpire };
  if (isBlocked) throw rateLimited(state);
  sendRateLimitHeaders(state);
}

const rateLimitHeaders = ({ name, limit, windowSeconds, remaining, resetSeconds }: RateLimitState) => ({
  'ratelimit-policy': `"${name}";q=${limit};w=${windowSeconds}`,
  ratelimit: `"${name}";r=${remaining};t=${resetSeconds}`,
});
