import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request as sendRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { packageRoot } from '../../../src/common/version.js';
import { signatureFault } from './s3-signature.js';

const BUCKET = 'machi';
const KEYS = { id: 'MACHI-TEST-KEY', secret: 'a secret that only signs / never travels', region: 'us-east-1' };
/** The account of s3rver, which checks the name only. */
const ACCOUNT = 'AWS4-HMAC-SHA256 Credential=S3RVER/x, SignedHeaders=x, Signature=x';

/**
 * Starts an S3-compatible server as a separate process on a free port. `env` holds the settings for Machi. It encrypts the
 * tokens of long lists with a cipher that OpenSSL 3 calls legacy. It does not check signatures; the proxy in front does.
 */
export async function startS3() {
  const folder = mkdtempSync(join(tmpdir(), 'machi-s3-'));
  let child = await startServer(folder);
  const proxy = await startProxy(() => child.port);
  const stop = async (): Promise<void> => {
    await proxy.close();
    await child.kill();
  };
  const env = {
    STORAGE: 's3',
    S3_ENDPOINT: `http://127.0.0.1:${proxy.port}`,
    S3_BUCKET: BUCKET,
    S3_ACCESS_KEY_ID: KEYS.id,
    S3_SECRET_ACCESS_KEY: KEYS.secret,
    S3_FORCE_PATH_STYLE: 'true',
  };
  return {
    env,
    /** The folder of the server, with one folder per bucket. */
    folder,
    /** The error codes of refused requests so far. */
    refusals: proxy.refusals,
    /** Stops the server; connections are refused. */
    down: stop,
    async up(): Promise<void> {
      child = await startServer(folder);
      await proxy.listen();
    },
    async remove(): Promise<void> {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startServer(folder: string): Promise<{ port: number; kill: () => Promise<void> }> {
  const script = join(packageRoot(), 'node_modules/s3rver/bin/s3rver.js');
  const options = ['-d', folder, '-a', '127.0.0.1', '-p', '0', '--configure-bucket', BUCKET];
  const child = spawn(process.execPath, ['--openssl-legacy-provider', script, ...options], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  while (!/:\d+\s/.test(output)) output += String((await once(child.stdout, 'data'))[0]);
  child.stdout.resume();
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { port: Number(/:(\d+)\s/.exec(output)![1]), kill };
}

/** Forwards requests with a valid signature and refuses others like S3. */
async function startProxy(portOfServer: () => number) {
  const refusals: string[] = [];
  const server = createServer((request, response) => {
    check(request, response).catch(() => response.destroy());
  });
  const check = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const body = await buffer(request);
    const fault = signatureFault({ method, url, headers, body }, KEYS);
    if (fault === undefined) return forwardRequest(request, body, response, portOfServer());
    refusals.push(fault);
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end(method === 'HEAD' ? '' : `<Error><Code>${fault}</Code><Message>Refused.</Message></Error>`);
  };
  const port = await listen(server, 0);
  return {
    port,
    refusals,
    listen: () => listen(server, port),
    async close(): Promise<void> {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The server behind would check the signature of an address with keys of its own. */
function withoutSignature(url: string): string {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const kept = [...searchParams].filter(([name]) => !/^x-amz-/i.test(name));
  return kept.length === 0 ? pathname : `${pathname}?${new URLSearchParams(kept).toString()}`;
}

async function forwardRequest(
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
  port: number,
) {
  const defaults = { date: new Date().toUTCString(), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const forwarded = { ...defaults, ...headers, authorization: ACCOUNT };
  const sent = sendRequest({ host: '127.0.0.1', port, method, path: withoutSignature(url!), headers: forwarded }).end(
    body,
  );
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  response.writeHead(answer.statusCode!, answer.headers);
  answer.on('error', () => response.destroy()).pipe(response);
}
