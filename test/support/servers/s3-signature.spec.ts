import { expect, it } from 'vitest';
import { type SignedRequest, signatureFault } from './s3-signature.js';

// Tests the signature check of the test server. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const KEYS = { id: 'AKIAIOSFODNN7EXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', region: 'us-east-1' };
const NOW = Date.UTC(2013, 4, 24);
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function example(
  [method, url, text = '']: [method: string, url: string, text?: string],
  headers: Record<string, string>,
  signed: string,
  signature: string,
): SignedRequest {
  const authorization = `AWS4-HMAC-SHA256 Credential=${KEYS.id}/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${signature}`;
  const more = { host: 'examplebucket.s3.amazonaws.com', 'x-amz-date': '20130524T000000Z', authorization };
  return { method, url, body: Buffer.from(text), headers: { 'x-amz-content-sha256': EMPTY, ...more, ...headers } };
}

const GET = example(
  ['GET', '/test.txt'],
  { range: 'bytes=0-9' },
  'host;range;x-amz-content-sha256;x-amz-date',
  'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
);
const PUT = example(
  ['PUT', '/test%24file.text', 'Welcome to Amazon S3.'],
  {
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
  },
  'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
  '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
);
const LIST = example(
  ['GET', '/?max-keys=2&prefix=J'],
  {},
  'host;x-amz-content-sha256;x-amz-date',
  '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
);

it('signatureFault accepts the published examples of Amazon', () => {
  for (const request of [GET, PUT, LIST]) expect(signatureFault(request, KEYS, NOW)).toBeUndefined();
});

it.each<[string, SignedRequest, object, number, string]>([
  ['another secret', GET, { secret: 'other' }, NOW, 'SignatureDoesNotMatch'],
  ['another key', GET, { id: 'OTHER' }, NOW, 'InvalidAccessKeyId'],
  ['another region', GET, { region: 'eu-west-1' }, NOW, 'AuthorizationHeaderMalformed'],
  ['another time', GET, {}, NOW + 900_001, 'RequestTimeTooSkewed'],
  ['another path', { ...GET, url: '/other' }, {}, NOW, 'SignatureDoesNotMatch'],
  ['another query', { ...LIST, url: '/?max-keys=3&prefix=J' }, {}, NOW, 'SignatureDoesNotMatch'],
  ['another method', { ...GET, method: 'DELETE' }, {}, NOW, 'SignatureDoesNotMatch'],
  ['another range', { ...GET, headers: { ...GET.headers, range: 'bytes=0-8' } }, {}, NOW, 'SignatureDoesNotMatch'],
  ['another body', { ...PUT, body: Buffer.from('other') }, {}, NOW, 'XAmzContentSHA256Mismatch'],
  [
    'an unsigned x-amz header',
    { ...GET, headers: { ...GET.headers, 'x-amz-acl': 'public' } },
    {},
    NOW,
    'SignatureDoesNotMatch',
  ],
  ['no signature', { ...GET, headers: {} }, {}, NOW, 'AccessDenied'],
  [
    'an incomplete signature',
    { ...GET, headers: { authorization: 'AWS4-HMAC-SHA256 x' } },
    {},
    NOW,
    'AuthorizationHeaderMalformed',
  ],
])('signatureFault refuses a request with %s', (_, request, keys, now, fault) => {
  expect(signatureFault(request, { ...KEYS, ...keys }, now)).toBe(fault);
});
