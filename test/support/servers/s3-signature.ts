import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The signed parts of a request, as received; `url` is still encoded. */
export interface SignedRequest {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface S3Keys {
  id: string;
  secret: string;
  region: string;
}

const SKEW_MS = 15 * 60_000;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;

const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: Buffer | string, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** Parses "20130524T000000Z". */
const timeOf = (date: string): number =>
  Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));

/**
 * Checks a request by Signature Version 4. Returns the error code of S3 when it is not signed with these keys or its body
 * differs from the signed one, else undefined. Implemented from the published algorithm, without the SDK under test.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signatureFault(request: SignedRequest, keys: S3Keys, now = Date.now()): string | undefined {
  const { headers, body } = request;
  if (new URL(request.url, 'http://s3').searchParams.has('X-Amz-Signature')) return addressFault(request, keys, now);
  if (headers.authorization === undefined) return 'AccessDenied';
  const [, id, day, region, names, signature] = AUTHORIZATION.exec(headers.authorization) ?? [];
  if (signature === undefined) return 'AuthorizationHeaderMalformed';
  if (id !== keys.id) return 'InvalidAccessKeyId';
  if (region !== keys.region) return 'AuthorizationHeaderMalformed';
  const date = String(headers['x-amz-date']);
  if (!(Math.abs(timeOf(date) - now) <= SKEW_MS)) return 'RequestTimeTooSkewed';
  if (headers['x-amz-content-sha256'] !== sha256(body)) return 'XAmzContentSHA256Mismatch';
  const signed = names!.split(';');
  const mustBe = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  if (!date.startsWith(day!) || !mustBe.every((name) => signed.includes(name))) return 'SignatureDoesNotMatch';
  const text = canonical(request, signed, headers['x-amz-content-sha256']);
  return isSignatureOf(signature, text, date, keys) ? undefined : 'SignatureDoesNotMatch';
}

/**
 * Checks the signature in the address of a GET without a body.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
function addressFault(request: SignedRequest, keys: S3Keys, now: number): string | undefined {
  const url = new URL(request.url, 'http://s3');
  const value = (name: string): string => url.searchParams.get(`X-Amz-${name}`) ?? '';
  const date = value('Date');
  const scope = `${keys.id}/${date.slice(0, 8)}/${keys.region}/s3/aws4_request`;
  if (value('Algorithm') !== 'AWS4-HMAC-SHA256' || value('Credential') !== scope) return 'AccessDenied';
  const age = now - timeOf(date);
  if (!(age >= -SKEW_MS && age <= Number(value('Expires')) * 1000)) return 'AccessDenied';
  const signature = value('Signature');
  url.searchParams.delete('X-Amz-Signature');
  const unsigned = { ...request, url: url.pathname + url.search };
  const text = canonical(unsigned, value('SignedHeaders').split(';'), 'UNSIGNED-PAYLOAD');
  return isSignatureOf(signature, text, date, keys) ? undefined : 'SignatureDoesNotMatch';
}

function isSignatureOf(signature: string, text: string, date: string, { region, secret }: S3Keys): boolean {
  const scope = [date.slice(0, 8), region, 's3', 'aws4_request'];
  const key = scope.reduce<Buffer | string>(hmac, `AWS4${secret}`);
  const expected = hmac(key, ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(text)].join('\n'));
  return /^[0-9a-f]{64}$/.test(signature) && timingSafeEqual(expected, Buffer.from(signature, 'hex'));
}

function canonical({ method, url, headers }: SignedRequest, signed: string[], payload: string): string {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const query = [...searchParams].map((pair) => pair.map(encode).join('=')).toSorted();
  const lines = signed.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`);
  return [method, pathname, query.join('&'), ...lines, '', signed.join(';'), payload].join('\n');
}

/** Percent-encodes all but unreserved characters (RFC 3986, section 2.3). */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
