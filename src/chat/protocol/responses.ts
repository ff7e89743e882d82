import type { Problem } from '../../http/problem.js';
import { withRequestId } from '../connections/broadcaster.service.js';

type RequestId = string | null | undefined;

/** A success frame for the requester. */
export const successText = (type: string, data: unknown, requestId: RequestId): string =>
  withRequestId(`{"success":true,"type":"${type}","data":${JSON.stringify(data)}}`, requestId);

/** An error frame; the sentence is the problem's. */
export const errorText = (type: string, { message }: Problem, requestId?: RequestId): string =>
  withRequestId(`{"success":false,"type":"${type}","error":${JSON.stringify(message)}}`, requestId);
