import { decode, encode } from 'cborg';
import type { KeyObject } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import { decodeBase45, encodeBase45 } from './base45.js';
import type { CertificateContent, CertificateFacts } from './certificate-content.js';
import {
  attempt,
  fromSeconds,
  MAX_INFLATED_BYTES,
  type SignedDocument,
  signEs256,
  toSeconds,
} from './signed-document.js';
import { splitName, toMachineReadable } from './transliteration.js';
import { isUvci } from './uvci.js';
import { codesOf, namesOf } from './value-sets.js';

const PREFIX = 'HC1:';
const KID_BYTES = 8;
const SIGNATURE_BYTES = 64;

/** Claims of the payload: a CBOR Web Token (RFC 8392) with the health certificate claim of the HCERT specification. */
const CLAIM = { iss: 1, exp: 4, iat: 6, hcert: -260 } as const;
/** The key of a EU Digital COVID Certificate within the claim `hcert`. */
const EU_DCC = 1;
const SCHEMA_VERSION = '1.3.0';

/** The protected header of COSE: `{ 1 (alg): -7 (ES256), 4 (kid): 8 bytes }`. */
const protectedHeader = (kid: Buffer): Buffer => Buffer.concat([Buffer.from('a201260448', 'hex'), kid]);

/** The CBOR of the message before its key id: tag 18 (COSE_Sign1), an array of 4, and the start of the protected header. */
const HEAD = Buffer.from('d2844da201260448', 'hex');
const EMPTY_MAP = Buffer.from([0xa0]);

interface Parts {
  kid: Buffer;
  payload: Buffer;
  signature: Buffer;
}

/** Signs a EU Digital COVID Certificate. Returns the text of its QR code. */
export async function signHcert(facts: CertificateFacts, kid: Buffer, key: KeyObject): Promise<string> {
  const payload = await toPayload(facts);
  return encodeHcert({ kid, payload, signature: signEs256(key, toBeSigned({ kid, payload })) });
}

/** Whether an HC1 certificate states these facts. */
export async function isHcertOf(facts: CertificateFacts, text: string): Promise<boolean> {
  const parts = attempt(() => toParts(text));
  return parts !== undefined && parts.payload.equals(await toPayload(facts));
}

async function toPayload(facts: CertificateFacts): Promise<Buffer> {
  const dcc = await toDcc(facts);
  return Buffer.from(
    encode(
      new Map<number, unknown>([
        [CLAIM.iss, facts.country],
        [CLAIM.exp, toSeconds(facts.expires_at)],
        [CLAIM.iat, toSeconds(facts.issued_at)],
        [CLAIM.hcert, new Map([[EU_DCC, dcc]])],
      ]),
    ),
  );
}

/** An HC1 certificate that was read but not verified. */
export interface Hcert extends SignedDocument {
  /** Reads what it states. Call it after the signature was verified. Throws like `open`. */
  toContent: () => CertificateContent;
}

/** Reads the text of a QR code; undefined if it is not a certificate in the one encoding that signHcert uses. */
export function readHcert(text: string): Hcert | undefined {
  const parts = attempt(() => toParts(text));
  // Other encodings of the same bytes are refused, so that no character can be changed without notice.
  if (!parts || encodeHcert(parts) !== text) return undefined;
  return {
    form: 'hcert',
    kid: parts.kid.toString('base64'),
    signed: toBeSigned(parts),
    signature: parts.signature,
    open: () => {
      const { uvci, issued_at, expires_at } = toContent(parts.payload);
      return { not_before: issued_at, expires_at, record: { uvci } };
    },
    toContent: () => toContent(parts.payload),
  };
}

/**
 * Stores the message in a zlib stream without compressing it: a signed certificate does not become smaller (384 bytes become
 * 395 either way), and a stored block has no bits that a reader ignores, where a character could be changed.
 */
function encodeHcert({ kid, payload, signature }: Parts): string {
  const message = Buffer.concat([HEAD, kid, EMPTY_MAP, encode(payload), encode(signature)]);
  return PREFIX + encodeBase45(deflateSync(message, { level: 0 }));
}

/** Splits the message at the positions where signHcert puts its parts. The caller compares the result with the text. */
function toParts(text: string): Parts | undefined {
  const deflated = text.startsWith(PREFIX) ? decodeBase45(text.slice(PREFIX.length)) : undefined;
  if (!deflated) return undefined;
  const message = inflateSync(deflated, { maxOutputLength: MAX_INFLATED_BYTES });
  const afterKid = HEAD.length + KID_BYTES;
  const kid = message.subarray(HEAD.length, afterKid);
  const signature = message.subarray(-SIGNATURE_BYTES);
  // Byte strings begin with their length: in one byte after 0x58, in two bytes after 0x59.
  const start = afterKid + EMPTY_MAP.length + (message[afterKid + EMPTY_MAP.length] === 0x58 ? 2 : 3);
  return { kid, payload: message.subarray(start, -(SIGNATURE_BYTES + 2)), signature };
}

/** The Sig_structure of COSE (RFC 9052, section 4.4). */
const toBeSigned = ({ kid, payload }: Pick<Parts, 'kid' | 'payload'>): Buffer =>
  Buffer.from(encode(['Signature1', protectedHeader(kid), Buffer.alloc(0), payload]));

async function toDcc(facts: CertificateFacts): Promise<Record<string, unknown>> {
  const { family, given } = splitName(facts.name);
  return {
    ver: SCHEMA_VERSION,
    nam: {
      fn: truncate(family),
      fnt: await toMachineReadable(family),
      ...(given === '' ? {} : { gn: truncate(given), gnt: await toMachineReadable(given) }),
    },
    dob: facts.date_of_birth,
    v: [
      {
        tg: facts.disease,
        ...codesOf(facts),
        dn: facts.dose,
        sd: facts.doses,
        dt: facts.given_on,
        co: facts.country,
        is: facts.issuer,
        ci: facts.uvci,
      },
    ],
  };
}

/** The schema allows 80 characters. */
const truncate = (name: string): string => [...name].slice(0, 80).join('').trim();

interface Dcc {
  nam: { fn: string; fnt: string; gn?: string; gnt?: string };
  dob: string;
  v: [Record<'tg' | 'mp' | 'ma' | 'dt' | 'co' | 'is' | 'ci', string> & Record<'dn' | 'sd', number>];
}

function toContent(payload: Buffer): CertificateContent {
  const claims = decode(payload, { useMaps: true }) as Map<number, unknown>;
  const { nam, dob, v } = toObject((claims.get(CLAIM.hcert) as Map<number, unknown>).get(EU_DCC)) as Dcc;
  const [entry] = v;
  if (!isUvci(entry.ci)) throw new Error('This is not the content of a certificate');
  return {
    uvci: entry.ci,
    family_name: nam.fn,
    given_names: nam.gn ?? '',
    latin_name: [nam.fnt, nam.gnt].filter((part) => part !== undefined).join('<<'),
    date_of_birth: dob,
    disease: entry.tg,
    ...namesOf(entry),
    dose: entry.dn,
    doses: entry.sd,
    given_on: entry.dt,
    country: entry.co,
    issuer: entry.is,
    issued_at: fromSeconds(claims.get(CLAIM.iat)),
    expires_at: fromSeconds(claims.get(CLAIM.exp)),
  };
}

/** Maps with texts as keys, at any depth, as objects. */
function toObject(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toObject);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [key as string, toObject(item)]));
}
