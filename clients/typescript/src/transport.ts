import type { PlainRequest, Progress } from './operations.js';

/** Sends a request with `fetch`, or with XMLHttpRequest if the page wants to know the progress of an upload. */
export function send(
  url: string,
  request: PlainRequest,
  credentials: RequestCredentials,
  fetchFunction: typeof fetch,
): Promise<Response> {
  const { method, headers, body, signal, onProgress } = request;
  const init: RequestInit & { duplex?: 'half' } = { method, headers, credentials };
  if (signal) init.signal = signal;
  if (body !== undefined) init.body = body;
  if (body === undefined || onProgress === undefined) return fetchFunction(url, init);
  if (typeof XMLHttpRequest === 'undefined') return sendCounted(url, init, onProgress, fetchFunction);
  return sendWithXhr(url, request, credentials, onProgress);
}

const CHUNK = 64 * 1024;

/** Node.js: counts the bytes that `fetch` takes from a stream. */
async function sendCounted(
  url: string,
  init: RequestInit & { duplex?: 'half' },
  onProgress: (progress: Progress) => void,
  fetchFunction: typeof fetch,
): Promise<Response> {
  const encoded = new Response(init.body ?? null);
  const headers = new Headers(init.headers);
  const ofForm = encoded.headers.get('content-type'); // with the boundary of its parts
  if (!headers.has('content-type')) headers.set('content-type', ofForm ?? 'application/octet-stream');
  const blob = await encoded.blob();
  let loaded = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (loaded >= blob.size) return controller.close();
      const chunk = new Uint8Array(await blob.slice(loaded, loaded + CHUNK).arrayBuffer());
      controller.enqueue(chunk);
      loaded += chunk.length;
      onProgress({ loaded, total: blob.size });
    },
  });
  return fetchFunction(url, { ...init, headers, body: stream, duplex: 'half' } as RequestInit);
}

/** Browsers: `fetch` does not report how much of a body has been sent. */
function sendWithXhr(
  url: string,
  { method, headers, body, signal }: PlainRequest,
  credentials: RequestCredentials,
  onProgress: (progress: Progress) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = (): void => xhr.abort();
    xhr.open(method, url);
    xhr.withCredentials = credentials === 'include';
    xhr.responseType = 'blob';
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.addEventListener('progress', ({ loaded, total }) => onProgress({ loaded, total }));
    xhr.addEventListener('loadend', () => signal?.removeEventListener('abort', abort));
    xhr.addEventListener('load', () => resolve(responseOf(xhr)));
    xhr.addEventListener('error', () => reject(new TypeError('Failed to send the request')));
    xhr.addEventListener('abort', () => reject(signal?.reason as Error));
    if (signal?.aborted) return reject(signal.reason as Error);
    signal?.addEventListener('abort', abort);
    xhr.send(body as XMLHttpRequestBodyInit);
  });
}

function responseOf(xhr: XMLHttpRequest): Response {
  const headers = new Headers();
  for (const line of xhr.getAllResponseHeaders().trim().split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const hasBody = ![204, 205, 304].includes(xhr.status);
  return new Response(hasBody ? (xhr.response as Blob) : null, { status: xhr.status, headers });
}
