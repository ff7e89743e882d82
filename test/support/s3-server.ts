import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request as forward, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { packageRoot } from '../../src/common/version.js';
import { signatureFault } from './s3-signature.js';

const BUCKET = 'machi';
const KEYS = { id: 'MACHI-TEST-KEY', secret: 'a secret that only signs / never travels', region: 'us-east-1' };
/** The one account of the server behind, which looks at the name alone. */
const ACCOUNT = 'AWS4-HMAC-SHA256 Credential=S3RVER/x, SignedHeaders=x, Signature=x';

/**
 * An S3-compatible server as a process of its own, on a free port; the settings lead Machi to it. It seals the tokens of its
 * long lists with a cipher that OpenSSL 3 calls legacy. It checks no signatures: what stands in front of it does.
 */
export async function startS3() {
  const folder = mkdtempSync(join(tmpdir(), 'machi-s3-'));
  let child = await startServer(folder);
  const front = await startFront(() => child.port);
  const stop = async (): Promise<void> => {
    await front.close();
    await child.kill();
  };
  const env = {
    STORAGE: 's3',
    S3_ENDPOINT: `http://127.0.0.1:${front.port}`,
    S3_BUCKET: BUCKET,
    S3_ACCESS_KEY_ID: KEYS.id,
    S3_SECRET_ACCESS_KEY: KEYS.secret,
    S3_FORCE_PATH_STYLE: 'true',
  };
  return {
    env,
    /** Its folder, with a folder a bucket. */
    folder,
    /** What requests were refused for, so far. */
    refusals: front.refusals,
    /** Nothing listens there any more. */
    down: stop,
    async up(): Promise<void> {
      child = await startServer(folder);
      await front.listen();
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

/** Lets through what is signed as it should be, and answers all else as S3 would. */
async function startFront(behind: () => number) {
  const refusals: string[] = [];
  const server = createServer((request, response) => {
    check(request, response).catch(() => response.destroy());
  });
  const check = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const body = await buffer(request);
    const fault = signatureFault({ method, url, headers, body }, KEYS);
    if (fault === undefined) return pass(request, body, response, behind());
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

async function pass({ method, url, headers }: IncomingMessage, body: Buffer, response: ServerResponse, port: number) {
  const onward = { ...headers, authorization: ACCOUNT };
  const sent = forward({ host: '127.0.0.1', port, method, path: url, headers: onward }).end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  response.writeHead(answer.statusCode!, answer.headers);
  answer.on('error', () => response.destroy()).pipe(response);
}
