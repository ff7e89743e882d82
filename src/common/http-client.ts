const TIMEOUT_MS = 3_000;
const MAX_BYTES = 512 * 1024;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether secrets and keys may be fetched from there: over TLS, or outside of production from this very machine. */
export function isSafeUrl(text: string, isProduction: boolean): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && !isProduction && LOOPBACK.test(hostname));
}

/** The JSON at this address: within 3 s and 512 KiB, and from there, wherever it would rather send us. */
export async function fetchJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { redirect: 'manual', headers: { accept: 'application/json' }, signal });
  const isRight = response.status === 200;
  if (!isRight) await response.body?.cancel();
  if (!isRight) throw new Error(`${url} answers with the status ${response.status}`);
  return JSON.parse(await textOf(response)) as unknown;
}

async function textOf({ url, body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new Error(`${url} answers with more than ${MAX_BYTES} bytes`); // leaving the loop ends it
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
