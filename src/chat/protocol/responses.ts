import type { Problem } from '../../http/problems/problem.js';

type RequestId = string | null | undefined;

/** Adds the `request_id` to a frame, if the request had one. */
export const withRequestId = (text: string, requestId: RequestId): string =>
  requestId == null ? text : `${text.slice(0, -1)},"request_id":${JSON.stringify(requestId)}}`;

/** A success frame. */
export const successText = (type: string, data: unknown, requestId?: RequestId): string =>
  withRequestId(`{"success":true,"type":"${type}","data":${JSON.stringify(data)}}`, requestId);

/** An error frame with the detail of the problem as its sentence, and for clients of `machi.v2` with its code. */
export function errorText(type: string, { message, code }: Problem, isV2: boolean, requestId?: RequestId): string {
  const codeText = isV2 ? `,"code":"${code}"` : '';
  return withRequestId(`{"success":false,"type":"${type}","error":${JSON.stringify(message)}${codeText}}`, requestId);
}
