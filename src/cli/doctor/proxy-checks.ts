import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Config } from '../../config/config.js';
import type { ClientDto } from '../../health/health.dto.js';
import { type Check, error, ok, skipped, warning } from './check.js';

const TIMEOUT_MS = 5_000;
/** An address for documentation (RFC 5737), which no client has. */
const FORGED = '203.0.113.77';

/** Asks the server at PUBLIC_URL, through the proxy in front of it, how it sees this client. */
export async function examineProxy({ PUBLIC_URL, publicUrl, TRUST_PROXY }: Config): Promise<Check[]> {
  if (PUBLIC_URL === undefined) return [skipped('proxy', 'PUBLIC_URL is not set')];
  const plain = await ask(publicUrl, {});
  if (plain instanceof Error) {
    const remedy = 'If servers run, check DNS, certificate and proxy.';
    return [warning('proxy', `${publicUrl} does not answer as Machi (${plain.message})`, remedy)];
  }
  const forged = await ask(publicUrl, { 'x-forwarded-for': FORGED });
  const address = `${plain.address}, forwarded headers: ${plain.forwarded}`;
  return [addressCheck(plain, forged, TRUST_PROXY, address), await checkWebSocket(publicUrl)];
}

function addressCheck(plain: ClientDto, forged: ClientDto | Error, trusted: string[], detail: string): Check {
  if (!(forged instanceof Error) && forged.address === FORGED) {
    const remedy = 'Let the proxy replace X-Forwarded-For of clients, and name only its address in TRUST_PROXY.';
    return error('proxy', 'clients can forge their address by X-Forwarded-For', remedy);
  }
  if (plain.forwarded === 'ignored') {
    const remedy = `Add the address of the proxy, ${plain.address}, to TRUST_PROXY (now ${trusted.join(',') || 'empty'}).`;
    return error('proxy', 'all clients share the address of the proxy, and its rate limits', remedy);
  }
  return ok('proxy', `this client has the address ${detail}`);
}

async function ask(url: string, headers: Record<string, string>): Promise<ClientDto | Error> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${url}/api/health/client`, { headers, signal, redirect: 'manual' });
    if (!response.ok) return new Error(`status ${response.status}`);
    return (await response.json()) as ClientDto;
  } catch (failure) {
    const { message, cause } = failure as Error;
    return new Error((cause as Error | undefined)?.message ?? message);
  }
}

/** The server accepts the upgrade and then closes, because no token is sent. */
async function checkWebSocket(url: string): Promise<Check> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/api/ws`, { handshakeTimeout: TIMEOUT_MS });
  socket.on('error', () => undefined); // "once" rejects as well
  try {
    await once(socket, 'open');
    return ok('proxy', 'WebSocket connections pass');
  } catch (failure) {
    const remedy = 'Let the proxy pass on the headers Upgrade and Connection for /api/ws, with HTTP/1.1.';
    return error('proxy', `WebSocket connections do not pass (${(failure as Error).message})`, remedy);
  } finally {
    socket.terminate();
  }
}
