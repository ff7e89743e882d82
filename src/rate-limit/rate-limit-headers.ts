import { Problem } from '../http/problem.js';
import { requestContext } from '../http/request-context.js';

/** What the headers of draft-ietf-httpapi-ratelimit-headers say about one limit. Times are in seconds. */
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

const rateLimitHeaders = ({ name, limit, windowSeconds, remaining, resetSeconds }: RateLimitState) => ({
  'ratelimit-policy': `"${name}";q=${limit};w=${windowSeconds}`,
  ratelimit: `"${name}";r=${remaining};t=${resetSeconds}`,
});
