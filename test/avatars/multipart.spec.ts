import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedInUser, startApp, type TestApp } from '../support/app.js';
import { call, imageFile, uploadOutcome } from '../support/files/images.js';
import { rounds } from '../support/setup/rounds.js';

let t: TestApp;
let user: SignedInUser;
beforeAll(async () => {
  t = await startApp();
  user = await t.user();
});
afterAll(() => t.stop());

const outcome = (bytes: Buffer, part: object = {}) => uploadOutcome(t, user, bytes, part);

const B = 'x-boundary-x';
const PART = `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`;
const END = `\r\n--${B}--\r\n`;
const TYPE = `multipart/form-data; boundary=${B}`;
const NO_FILE = '400 no_file';
const MALFORMED = '400 malformed_multipart';

/** Name, Content-Type, body (`JPEG` stands for an image), expected outcome. */
const FORMS: [name: string, type: string, body: string, expected: string | RegExp][] = [
  ['a valid form', TYPE, `${PART}JPEG${END}`, 'accepted'],
  ['a preamble and an epilogue', TYPE, `before\r\n${PART}JPEG${END}after`, 'accepted'],
  ['a quoted boundary', `multipart/form-data; boundary="${B}"`, `${PART}JPEG${END}`, 'accepted'],
  ['no boundary', 'multipart/form-data', `${PART}JPEG${END}`, MALFORMED],
  ['an empty boundary', 'multipart/form-data; boundary=', `${PART}JPEG${END}`, MALFORMED],
  ['another boundary', 'multipart/form-data; boundary=other', `${PART}JPEG${END}`, MALFORMED],
  [
    'a boundary of 7,000 characters',
    `multipart/form-data; boundary=${'b'.repeat(7000)}`,
    `${PART}JPEG${END}`,
    MALFORMED,
  ],
  ['no closing boundary', TYPE, `${PART}JPEG`, MALFORMED],
  ['half a closing boundary', TYPE, `${PART}JPEG\r\n--${B}`, MALFORMED],
  ['a closing boundary only', TYPE, `--${B}--\r\n`, /^400/],
  ['an empty body', TYPE, '', MALFORMED],
  ['an empty line', TYPE, '\r\n', MALFORMED],
  ['an opening boundary only', TYPE, `--${B}`, MALFORMED],
  ['an incomplete part header', TYPE, `--${B}\r\nContent-Disposition: form-data; name="ava`, MALFORMED],
  ['a part without headers', TYPE, `--${B}\r\n\r\nJPEG${END}`, /^400/],
  ['a part without Content-Disposition', TYPE, `--${B}\r\nContent-Type: image/jpeg\r\n\r\nJPEG${END}`, NO_FILE],
  [
    'Content-Disposition: attachment',
    TYPE,
    `--${B}\r\nContent-Disposition: attachment; filename="a.jpg"\r\n\r\nJPEG${END}`,
    NO_FILE,
  ],
  [
    'a part without a file name',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="avatar"\r\n\r\nabc${END}`,
    NO_FILE,
  ],
  ['a part without a name', TYPE, `--${B}\r\nContent-Disposition: form-data\r\n\r\nabc${END}`, MALFORMED],
  [
    'a part header of 100 KB',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="${'a'.repeat(100_000)}"\r\n\r\nJPEG${END}`,
    MALFORMED,
  ],
  [
    'a hundred part headers',
    TYPE,
    `--${B}\r\n${'X-A: b\r\n'.repeat(100)}Content-Disposition: form-data; name="avatar"; filename="a"\r\n\r\nJPEG${END}`,
    'accepted',
  ],
  ['two files', TYPE, `${PART}JPEG\r\n${PART}JPEG${END}`, MALFORMED],
  [
    'a thousand parts',
    TYPE,
    `${`--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n`.repeat(1000)}--${B}--\r\n`,
    MALFORMED,
  ],
  [
    'one field twice',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n`.repeat(2) + `--${B}--\r\n`,
    MALFORMED,
  ],
  [
    'a field of 5 KB',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${'b'.repeat(5000)}${END}`,
    MALFORMED,
  ],
  [
    'a field with NUL',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\0c${END}`,
    '400 invalid_text',
  ],
  [
    'a field named __proto__',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nb${END}`,
    '422 validation_failed',
  ],
  [
    'a file in a field of another name',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nJPEG${END}`,
    NO_FILE,
  ],
  ['an empty file', TYPE, `${PART}${END}`, '415 unsupported_picture'],
  [
    'a nested form',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="b"\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nJPEG\r\n--in--${END}`,
    '415 unsupported_picture',
  ],
  [
    'a base64 file',
    TYPE,
    `--${B}\r\nContent-Disposition: form-data; name="avatar"; filename="b"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQSkZJRg==${END}`,
    '415 unsupported_picture',
  ],
  ['LF line ends', TYPE, `${PART}JPEG${END}`.replaceAll('\r\n', '\n'), /^4/],
  ['multipart/mixed', `multipart/mixed; boundary=${B}`, `${PART}JPEG${END}`, '415 unsupported_media_type'],
  ['an image instead of a form', 'image/jpeg', 'JPEG', '415 unsupported_media_type'],
  ['a urlencoded form', 'application/x-www-form-urlencoded', 'avatar=x', '415 unsupported_media_type'],
  ['an empty Content-Type', '', `${PART}JPEG${END}`, '415 unsupported_media_type'],
];

async function send(type: string, text: string, jpeg: Buffer): Promise<string> {
  const parts = text.split('JPEG').flatMap((part, i) => [...(i > 0 ? [jpeg] : []), Buffer.from(part)]);
  const response = await fetch(`${t.url}/api/users/me/avatar`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${user.token}`, 'content-type': type },
    body: new Uint8Array(Buffer.concat(parts)),
  });
  const { code } = (await response.json()) as { code?: string };
  return response.status === 202 ? 'accepted' : `${response.status} ${code}`;
}

describe('PUT /api/users/me/avatar', () => {
  it.each(FORMS)('answers as documented to a form with %s', async (_, type, text, expected) => {
    const got = await send(type, text, await imageFile(7));
    if (typeof expected === 'string') expect(got).toBe(expected);
    else expect(got).toMatch(expected);
  });

  it('refuses more than 20 fields', async () => {
    const field = (_: unknown, i: number) => `--${B}\r\nContent-Disposition: form-data; name="a${i}"\r\n\r\nb\r\n`;
    const fields = (count: number) => `${Array.from({ length: count }, field).join('')}--${B}--\r\n`;
    expect(await send(TYPE, fields(20), Buffer.alloc(0))).toBe(NO_FILE);
    expect(await send(TYPE, fields(21), Buffer.alloc(0))).toBe(MALFORMED);
  });

  it('refuses a field with bytes that are invalid in its charset', async () => {
    for (const [charset, value] of [
      ['utf-8', 'Hana \x80\xff'],
      ['utf-8', 'Hana \xed\xa0\x80'], // half of a surrogate pair
      ['unknown-charset', 'Hana \xff'],
    ] as const) {
      const head = `--${B}\r\nContent-Disposition: form-data; name="fullname"\r\nContent-Type: text/plain; charset=${charset}\r\n\r\n`;
      const body = Buffer.from(`${head}${value}${END}`, 'latin1');
      const answer = await call(t, 'PATCH', '/api/users/me', user.token, {
        body: new Uint8Array(body),
        headers: { 'content-type': TYPE },
      });
      expect(answer.body).toMatchObject({ status: 400, code: 'invalid_text' });
    }
  });

  it('refuses a compressed form', async () => {
    const headers = { authorization: `Bearer ${user.token}`, 'content-type': TYPE, 'content-encoding': 'gzip' };
    const response = await fetch(`${t.url}/api/users/me/avatar`, { method: 'PUT', headers, body: `${PART}x${END}` });
    expect(((await response.json()) as { code: string }).code).toBe('form_expected');
  });
});

/** Sends less than Content-Length and disconnects. Returns the port of the connection. */
async function abortUpload(token: string, sent: Buffer): Promise<number> {
  const socket = connect(t.port, '127.0.0.1');
  await once(socket, 'connect');
  const port = socket.localPort!;
  const head = `PUT /api/users/me/avatar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${TYPE}\r\nContent-Length: 1000000\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head), sent]));
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  return port;
}

/** Of each of four kinds. */
const UPLOADS = rounds(25, 120);

it(`${4 * UPLOADS} malformed, hostile and aborted uploads leave no file, descriptor or occupied slot`, async () => {
  const jpeg = await imageFile(8);
  const cut = jpeg.subarray(0, jpeg.length / 2);
  /** Of files and pipes. Sockets are counted below: under load, the pool opens further ones to the database. */
  const descriptors = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return !readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
      } catch {
        return false; // the descriptor of readdir itself
      }
    }).length;
  const storedFiles = () =>
    readdirSync(join(t.config.STORAGE_DIR, 'avatars'), { recursive: true }).filter((name) =>
      String(name).endsWith('.webp'),
    ).length;
  expect(await outcome(jpeg)).toBe('accepted'); // starts all workers and connections
  await Promise.all(Array.from({ length: 4 }, () => outcome(jpeg)));
  const aborted = new Set<number>();
  const accepted = new Map<number, Socket>();
  t.app.getHttpServer().on('connection', (socket: Socket) => accepted.set(socket.remotePort!, socket));
  await expect.poll(storedFiles).toBe(4);
  const before = descriptors();
  let refused = 0;
  for (let round = 0; round < UPLOADS; round++) {
    const [, type, text] = FORMS[round % FORMS.length]!;
    const answers = await Promise.all([
      send(type, text, cut),
      outcome(cut),
      outcome(randomBytes(2000)),
      abortUpload(user.token, Buffer.concat([Buffer.from(PART), cut])).then((port) => aborted.add(port)),
    ]);
    refused += answers.filter((answer) => answer !== 'accepted').length;
  }
  expect(refused).toBe(4 * UPLOADS);
  await expect.poll(storedFiles).toBe(4); // those of the pending avatar
  expect(readdirSync(join(t.config.STORAGE_DIR, '.unfinished'))).toEqual([]);
  await expect.poll(descriptors).toBeLessThanOrEqual(before);
  await expect.poll(() => [...aborted].filter((port) => !accepted.get(port)?.destroyed)).toEqual([]);
  expect(await outcome(jpeg)).toBe('accepted'); // all slots are free
}, 300_000);
