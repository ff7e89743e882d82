import { Agent, type IncomingHttpHeaders, request } from 'node:http';

/** A request as it is sent. */
export interface HttpRequest {
  method: string;
  path: string;
  headers: Record<string, string | string[]>;
  body?: Buffer | undefined;
  /** Closes the connection after this many bytes of the body. */
  abortAfter?: number | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** No answer: the client or the server closed the connection. */
export type Closed = 'closed';

export const HANG_MS = 10_000;
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

/** Rejects with an error that names the fault: no answer within 10 s, or a connection that ends without an answer. */
export function sendRequest(url: string, spec: HttpRequest, isRetry = false): Promise<HttpAnswer | Closed> {
  const { method, path, headers, body, abortAfter } = spec;
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, hostname, port, method, path, headers });
    const timeout = setTimeout(() => {
      reject(new Error(`no complete answer within ${HANG_MS / 1000} s`));
      outgoing.destroy();
    }, HANG_MS);
    const finish = (result: HttpAnswer | Closed): void => (clearTimeout(timeout), resolve(result));
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => finish('closed'));
      response.on('end', () =>
        finish({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timeout);
      // The server may close an idle connection at the moment when the client reuses it.
      if (outgoing.reusedSocket && !isRetry && abortAfter === undefined) {
        sendRequest(url, spec, true).then(resolve, reject);
      } else if (abortAfter !== undefined || isReset(error, spec)) finish('closed');
      else reject(new Error(`no answer (${error.code ?? error.message})`));
    });
    if (abortAfter === undefined) outgoing.end(body);
    else outgoing.write(body!.subarray(0, abortAfter), () => setTimeout(() => outgoing.destroy(), 30));
  });
}

/** A large request that is refused early: the connection may be reset before the client reads the answer. */
const isReset = ({ code = '' }: NodeJS.ErrnoException, { headers, body }: HttpRequest): boolean =>
  ['EPIPE', 'ECONNRESET'].includes(code) && JSON.stringify(headers).length + (body?.length ?? 0) > 15_000;
