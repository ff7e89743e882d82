import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** Encodes the part of CBOR (RFC 8949) that authenticators use: integers, bytes, texts and maps. */
export function cbor(value: number | string | Buffer | Map<number | string, unknown>): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  const items = [...value].flatMap(([key, item]) => [cbor(key), cbor(item as Parameters<typeof cbor>[0])]);
  return Buffer.concat([head(5, value.size), ...items]);
}

function head(major: number, count: number): Buffer {
  if (count < 24) return Buffer.from([(major << 5) | count]);
  if (count < 256) return Buffer.from([(major << 5) | 24, count]);
  return Buffer.from([(major << 5) | 25, count >> 8, count & 255]);
}

const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest();
const base64url = (data: string | Buffer): string => Buffer.from(data).toString('base64url');

const UP = 1;
const UV = 4;
const AT = 64;

/** Values that differ from what a correct page, browser or authenticator sends. */
export interface Deviations {
  origin?: string;
  rpId?: string;
  flags?: number;
  counter?: number;
  challenge?: string;
  type?: string;
  userHandle?: string;
  clientData?: object;
  fmt?: string;
  attStmt?: Map<number | string, unknown>;
  alg?: number;
}

interface CreationOptions {
  challenge: string;
  rp: { id: string };
  user: { id: string };
}

interface RequestOptions {
  challenge: string;
  rpId: string;
}

/** A software authenticator with one discoverable ES256 credential. Returns the JSON that a browser sends. */
export class VirtualAuthenticator {
  readonly id = randomBytes(16);
  counter = 0;
  private userHandle = base64url(randomBytes(16));
  private readonly privateKey: KeyObject;
  private readonly publicKey: KeyObject;

  constructor(private readonly origin: string) {
    ({ privateKey: this.privateKey, publicKey: this.publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  }

  /** As `create`, with the attestation "packed" signed by the new key itself. */
  createSelfAttested(options: CreationOptions) {
    const plain = this.create(options);
    const { authenticatorData, clientDataJSON } = plain.response;
    const [data, client] = [authenticatorData, clientDataJSON].map((text) => Buffer.from(text, 'base64url')) as [
      Buffer,
      Buffer,
    ];
    const sig = sign('sha256', Buffer.concat([data, sha256(client)]), this.privateKey);
    return this.create(options, {
      fmt: 'packed',
      attStmt: new Map<string, unknown>([
        ['alg', -7],
        ['sig', sig],
      ]),
    });
  }

  /** The JSON result of navigator.credentials.create(). */
  create(options: CreationOptions, deviations: Deviations = {}) {
    this.userHandle = options.user.id;
    const clientData = this.clientData('webauthn.create', options.challenge, deviations);
    const length = Buffer.from([0, this.id.length]);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.id, this.coseKey(deviations.alg ?? -7)]);
    const data = Buffer.concat([
      this.authenticatorData({ rpId: options.rp.id, flags: UP | UV | AT, ...deviations }),
      attested,
    ]);
    const statement = deviations.attStmt ?? new Map<string, unknown>();
    const attestation = new Map<string, unknown>([
      ['fmt', deviations.fmt ?? 'none'],
      ['attStmt', statement],
      ['authData', data],
    ]);
    return {
      ...this.credential(),
      response: {
        clientDataJSON: base64url(clientData),
        attestationObject: base64url(cbor(attestation)),
        authenticatorData: base64url(data),
        publicKey: base64url(this.publicKey.export({ type: 'spki', format: 'der' })),
        publicKeyAlgorithm: -7,
        transports: ['internal', 'hybrid'],
      },
      clientExtensionResults: { credProps: { rk: true } } as Record<string, unknown>,
    };
  }

  /** The JSON result of navigator.credentials.get(). */
  get(options: RequestOptions, deviations: Deviations = {}) {
    const clientData = this.clientData('webauthn.get', options.challenge, deviations);
    this.counter += 1;
    const data = this.authenticatorData({ rpId: options.rpId, flags: UP | UV, ...deviations });
    const signature = sign('sha256', Buffer.concat([data, sha256(clientData)]), this.privateKey);
    return {
      ...this.credential(),
      response: {
        clientDataJSON: base64url(clientData),
        authenticatorData: base64url(data),
        signature: base64url(signature),
        userHandle: deviations.userHandle ?? this.userHandle,
      },
      clientExtensionResults: {} as Record<string, unknown>,
    };
  }

  private credential() {
    const id = base64url(this.id);
    return { id, rawId: id, type: 'public-key', authenticatorAttachment: 'platform' };
  }

  private clientData(type: string, challenge: string, deviations: Deviations): string {
    const { origin = this.origin } = deviations;
    const data = {
      type: deviations.type ?? type,
      challenge: deviations.challenge ?? challenge,
      origin,
      crossOrigin: false,
    };
    return JSON.stringify({ ...data, ...deviations.clientData });
  }

  private authenticatorData({ rpId = '', flags = 0, counter = this.counter }: Deviations): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    return Buffer.concat([sha256(rpId), Buffer.from([flags]), count]);
  }

  /** RFC 9053, section 7.1.1. */
  private coseKey(alg: number): Buffer {
    const { x, y } = this.publicKey.export({ format: 'jwk' });
    const coordinate = (text: string | undefined): Buffer => Buffer.from(text!, 'base64url');
    return cbor(
      new Map<number, unknown>([
        [1, 2],
        [3, alg],
        [-1, 1],
        [-2, coordinate(x)],
        [-3, coordinate(y)],
      ]),
    );
  }
}
