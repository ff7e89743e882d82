import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { encrypt } from 'http_ece';
import { SignJWT } from 'jose';
import { createECDH, type KeyObject } from 'node:crypto';
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { Clock } from '../../common/clock.provider.js';
import { readKeyPair } from '../../common/keys/key-pair.js';
import { lookupPublic } from '../../common/http-client/public-address.js';
import { Config } from '../../config/config.js';

/** For the whole answer. */
const TIMEOUT_MS = 10_000;
/** Contents are padded to a multiple of this, so that the push service does not learn their length. It accepts 4,096 bytes. */
const PADDED_TO = 1_024;
/** Push services refuse tokens of more than 24 hours (RFC 8292, 2). */
const TOKEN_SECONDS = 12 * 3_600;

/** The part of a subscription that is needed to send to it. */
export interface PushTarget {
  endpoint: string;
  p256dh: Buffer;
  auth: Buffer;
}

export interface Push {
  content: object;
  /** How long the push service keeps it, in seconds. */
  ttl: number;
  /** Replaces an earlier push with the same topic that was not delivered yet: at most 32 characters of base64url. */
  topic: string;
}

/** What a push service answers. */
export interface PushAnswer {
  status: number;
  /** In milliseconds; undefined if it does not ask for a delay. */
  retryAfterMs: number | undefined;
}

/** Sends pushes to push services: encrypted for the browser (RFC 8291) and signed with the key of this server (RFC 8292). */
@Injectable()
export class PushSenderService implements BeforeApplicationShutdown {
  /** In base64url, as browsers need it to subscribe; undefined if pushes are off. */
  readonly publicKey: string | undefined;
  private readonly privateKey: KeyObject | undefined;
  private readonly subject: string;
  private readonly https = new HttpsAgent({ keepAlive: true, lookup: lookupPublic });
  private readonly http = new HttpAgent();

  constructor(
    private readonly clock: Clock,
    { VAPID_PRIVATE_KEY, VAPID_SUBJECT, MAIL_FROM }: Config,
  ) {
    this.subject = VAPID_SUBJECT ?? `mailto:${MAIL_FROM}`;
    if (VAPID_PRIVATE_KEY === undefined) return;
    const { privateKey, published } = readKeyPair(VAPID_PRIVATE_KEY);
    const [x, y] = [published.x, published.y].map((part) => Buffer.from(part, 'base64url'));
    this.privateKey = privateKey;
    this.publicKey = Buffer.concat([Buffer.from([4]), x!, y!]).toString('base64url'); // an uncompressed point
  }

  beforeApplicationShutdown(): void {
    this.https.destroy();
  }

  /** Sends one push. Rejects if the push service cannot be reached within 10 s, or its host has no public address. */
  async send(target: PushTarget, { content, ttl, topic }: Push): Promise<PushAnswer> {
    const body = encryptFor(target, Buffer.from(JSON.stringify(content)));
    return this.post(new URL(target.endpoint), body, {
      authorization: `vapid t=${await this.tokenFor(target.endpoint)}, k=${this.publicKey!}`,
      'content-encoding': 'aes128gcm',
      'content-type': 'application/octet-stream',
      'content-length': body.length,
      ttl,
      topic,
      urgency: 'normal',
    });
  }

  private tokenFor(endpoint: string): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .setAudience(new URL(endpoint).origin)
      .setSubject(this.subject)
      .setExpirationTime(Math.floor(this.clock.now() / 1000) + TOKEN_SECONDS)
      .sign(this.privateKey!);
  }

  /** Redirects are not followed: they could lead to any address. `isPushEndpoint` allows http outside production only. */
  private post(url: URL, body: Buffer, headers: Record<string, string | number>): Promise<PushAnswer> {
    const options = { method: 'POST', headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
    return new Promise((resolve, reject) => {
      const onAnswer = (response: IncomingMessage): void => {
        response.on('error', () => undefined).resume();
        const retryAfterMs = this.parseRetryAfter(response.headers['retry-after']);
        resolve({ status: response.statusCode!, retryAfterMs });
      };
      const request =
        url.protocol === 'https:'
          ? requestHttps(url, { ...options, agent: this.https }, onAnswer)
          : requestHttp(url, { ...options, agent: this.http }, onAnswer);
      request.on('error', reject).end(body);
    });
  }

  /** Seconds or a date (RFC 9110, 10.2.3). */
  private parseRetryAfter(value: string | undefined): number | undefined {
    if (value === undefined) return undefined;
    const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - this.clock.now();
    return ms > 0 ? ms : undefined;
  }
}

function encryptFor({ p256dh, auth }: PushTarget, content: Buffer): Buffer {
  const privateKey = createECDH('prime256v1');
  privateKey.generateKeys();
  const pad = Math.ceil(content.length / PADDED_TO) * PADDED_TO - content.length;
  return encrypt(content, { version: 'aes128gcm', privateKey, dh: p256dh, authSecret: auth, pad });
}
