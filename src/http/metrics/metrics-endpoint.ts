import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MetricsService } from '../../metrics/metrics.service.js';
import { tokenProblem } from '../problems/problem.js';
import { mapToProblem } from '../problems/problem-mapping.js';
import { sendProblem } from '../problems/problem-response.js';

/** Answers a request with the metrics. With a token, refuses requests without it: `token_required`, `invalid_token`. */
export const metricsEndpoint =
  (metrics: MetricsService, token: string | undefined) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      if (token !== undefined) assertToken(request, token);
      const text = await metrics.write();
      response.setHeader('content-type', metrics.contentType);
      response.setHeader('cache-control', 'no-store');
      response.end(text);
    } catch (error) {
      sendProblem(response, mapToProblem(error));
    }
  };

function assertToken({ headers }: IncomingMessage, token: string): void {
  const presented = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (presented === undefined) throw tokenProblem('token_required');
  // Hashes have one length, so that the comparison takes the same time for every wrong token.
  if (!timingSafeEqual(sha256(presented), sha256(token))) throw tokenProblem('invalid_token');
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
