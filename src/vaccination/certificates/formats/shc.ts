import type { KeyObject } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { CertificateFacts } from './certificate-content.js';
import {
  attempt,
  fromSeconds,
  MAX_INFLATED_BYTES,
  type OpenedDocument,
  requireText,
  type SignedDocument,
  signEs256,
  toSeconds,
} from './signed-document.js';
import { splitName } from './transliteration.js';
import { COVID_19 } from './value-sets.js';

const PREFIX = 'shc:/';
/** The QR code has two digits per character of the JWS: its ASCII code less the code of the smallest character, "-". */
const SMALLEST_CODE = 45;
const JWS = /^[\w-]+\.[\w-]+\.[\w-]{86}$/;

/** What a SMART Health Card has besides the facts. */
export interface ShcOptions {
  /** The URL under which `/.well-known/jwks.json` has the key. */
  issuerUrl: string;
  /** Names the card in the revocation list. */
  rid: string;
}

/** Signs a SMART Health Card (spec.smarthealth.cards). Returns the text of its QR code. */
export function signShc(facts: CertificateFacts, { issuerUrl, rid }: ShcOptions, kid: string, key: KeyObject): string {
  const claims = {
    iss: issuerUrl,
    nbf: toSeconds(facts.issued_at),
    exp: toSeconds(facts.expires_at),
    vc: {
      type: [
        'https://smarthealth.cards#health-card',
        'https://smarthealth.cards#immunization',
        ...(facts.disease === COVID_19 ? ['https://smarthealth.cards#covid19'] : []),
      ],
      credentialSubject: { fhirVersion: '4.0.1', fhirBundle: toBundle(facts) },
      rid,
    },
  };
  const header = Buffer.from(JSON.stringify({ zip: 'DEF', alg: 'ES256', kid })).toString('base64url');
  const payload = deflateRawSync(JSON.stringify(claims), { level: 9 }).toString('base64url');
  const signature = signEs256(key, Buffer.from(`${header}.${payload}`));
  return toNumeric(`${header}.${payload}.${signature.toString('base64url')}`);
}

/** Whether a SMART Health Card states these facts. */
export function isShcOf(facts: CertificateFacts, text: string): boolean {
  const claims = attempt(() => JSON.parse(inflate(toJws(text).split('.')[1]!)) as ShcClaims);
  return JSON.stringify(claims?.vc.credentialSubject?.fhirBundle) === JSON.stringify(toBundle(facts));
}

/** The JWS in the text of a QR code, as files of the type `.smart-health-card` have it. */
export function toJws(text: string): string {
  const pairs = text.slice(PREFIX.length).match(/\d\d/g) ?? [];
  return String.fromCharCode(...pairs.map((pair) => Number(pair) + SMALLEST_CODE));
}

const toNumeric = (jws: string): string =>
  PREFIX + [...Buffer.from(jws)].map((code) => String(code - SMALLEST_CODE).padStart(2, '0')).join('');

/** Reads the text of a QR code; undefined if it is not a SMART Health Card. */
export function readShc(text: string): SignedDocument | undefined {
  const jws = text.startsWith(PREFIX) ? toJws(text) : '';
  if (!JWS.test(jws) || toNumeric(jws) !== text) return undefined;
  const [header, payload, signatureText] = jws.split('.') as [string, string, string];
  const signature = Buffer.from(signatureText, 'base64url');
  // The last character of the signature has four bits that decoders ignore.
  if (signature.toString('base64url') !== signatureText) return undefined;
  const { alg, zip, kid } = (attempt(() => JSON.parse(fromBase64url(header))) ?? {}) as Record<string, unknown>;
  if (alg !== 'ES256' || zip !== 'DEF' || typeof kid !== 'string') return undefined;
  return {
    form: 'shc',
    kid,
    signed: Buffer.from(`${header}.${payload}`),
    signature,
    open: () => open(payload),
  };
}

const fromBase64url = (text: string): string => Buffer.from(text, 'base64url').toString();

/** What a payload is expected to have; untrusted. */
interface ShcClaims {
  nbf: unknown;
  exp: unknown;
  vc: { rid: unknown; credentialSubject?: { fhirBundle?: unknown } };
}

const inflate = (payload: string): string =>
  inflateRawSync(Buffer.from(payload, 'base64url'), { maxOutputLength: MAX_INFLATED_BYTES }).toString();

function open(payload: string): OpenedDocument {
  const { nbf, exp, vc } = JSON.parse(inflate(payload)) as ShcClaims;
  return { not_before: fromSeconds(nbf), expires_at: fromSeconds(exp), record: { rid: requireText(vc.rid) } };
}

/** The FHIR bundle with no more than verifiers read (profile of the Vaccine Credential Initiative). */
function toBundle(facts: CertificateFacts): Record<string, unknown> {
  const { family, given } = splitName(facts.name);
  return {
    resourceType: 'Bundle',
    type: 'collection',
    entry: [
      {
        fullUrl: 'resource:0',
        resource: {
          resourceType: 'Patient',
          name: [{ family, ...(given === '' ? {} : { given: given.split(' ') }) }],
          ...(facts.date_of_birth === '' ? {} : { birthDate: facts.date_of_birth }),
        },
      },
      {
        fullUrl: 'resource:1',
        resource: {
          resourceType: 'Immunization',
          status: 'completed',
          vaccineCode: { coding: [vaccineCoding(facts)] },
          patient: { reference: 'resource:0' },
          occurrenceDateTime: facts.given_on,
          performer: [{ actor: { display: facts.issuer } }],
          lotNumber: facts.lot_number,
        },
      },
    ],
  };
}

function vaccineCoding({ cvx_code, who_code, product }: CertificateFacts): Record<string, string> {
  if (cvx_code !== null) return { system: 'http://hl7.org/fhir/sid/cvx', code: cvx_code };
  if (who_code !== null) return { system: 'http://www.whocc.no/atc', code: who_code };
  return { display: product };
}
