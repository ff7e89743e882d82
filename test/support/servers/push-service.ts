import { decodeProtectedHeader, importJWK, type JWTPayload, jwtVerify } from 'jose';
import { createDecipheriv, createECDH, type ECDH, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

interface ReceivedPush {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A subscription as a browser makes it, with the private key that only the browser has. */
export interface BrowserSubscription {
  endpoint: string;
  keys: { p256dh: string; auth: string };
  privateKey: ECDH;
}

/** A push service (RFC 8030) on the loopback interface, and the browsers that subscribe to it. */
export async function startPushService() {
  const received: ReceivedPush[] = [];
  const answers: { status: number; headers?: Record<string, string> }[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      received.push({ path: request.url!, headers: request.headers, body });
      const { status, headers = {} } = answers.shift() ?? { status: 201 };
      response.writeHead(status, headers).end();
      server.emit('push');
    });
  });
  let connections = 0;
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let read = 0;

  return {
    url,
    received,
    connections: () => connections,
    /** The next answers have this status; after them, 201. */
    answer(status: number, headers?: Record<string, string>, times = 1): void {
      for (let i = 0; i < times; i++) answers.push({ status, ...(headers ? { headers } : {}) });
    },
    subscribe(): BrowserSubscription {
      const privateKey = createECDH('prime256v1');
      const p256dh = privateKey.generateKeys().toString('base64url');
      const keys = { p256dh, auth: randomBytes(16).toString('base64url') };
      return { endpoint: `${url}/push/${randomUUID()}`, keys, privateKey };
    },
    /** The next push; waits for it if necessary. */
    async next(): Promise<ReceivedPush> {
      while (received.length <= read) await once(server, 'push');
      return received[read++]!;
    },
    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The content of a push, which only the browser can read: RFC 8291 with the content coding of RFC 8188, in one record. */
export function decryptPush(
  { body }: ReceivedPush,
  { privateKey, keys }: BrowserSubscription,
): Record<string, unknown> {
  const salt = body.subarray(0, 16);
  const idLength = body[20]!;
  const senderKey = body.subarray(21, 21 + idLength);
  const record = body.subarray(21 + idLength);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), privateKey.getPublicKey(), senderKey]);
  const auth = Buffer.from(keys.auth, 'base64url');
  const ikm = Buffer.from(hkdfSync('sha256', privateKey.computeSecret(senderKey), auth, info, 32));
  const derive = (label: string, length: number): Buffer =>
    Buffer.from(hkdfSync('sha256', ikm, salt, `Content-Encoding: ${label}\0`, length));
  const decipher = createDecipheriv('aes-128-gcm', derive('aes128gcm', 16), derive('nonce', 12));
  decipher.setAuthTag(record.subarray(-16));
  const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
  const end = padded.lastIndexOf(2); // the delimiter of the last record, before the padding
  return JSON.parse(padded.subarray(0, end).toString()) as Record<string, unknown>;
}

/** The claims of the token that identifies the server, verified with the key that browsers subscribe with (RFC 8292). */
export async function verifyVapid({ headers }: ReceivedPush, publicKey: string, now: number): Promise<JWTPayload> {
  const [, token, key] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(headers.authorization ?? '') ?? [];
  if (key !== publicKey) throw new Error(`signed with the key ${key}`);
  const point = Buffer.from(key, 'base64url');
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'));
  const jwk = await importJWK({ kty: 'EC', crv: 'P-256', x: x!, y: y! }, decodeProtectedHeader(token!).alg);
  const { payload } = await jwtVerify(token!, jwk, { algorithms: ['ES256'], currentDate: new Date(now) });
  return payload;
}
