import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { sendRaw } from '../support/clients/raw-request.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

const json = { 'content-type': 'application/json' };
const post = (body: string, headers: Record<string, string> = json) =>
  t.request('POST', '/api/users', { body, headers });

describe('POST /api/users', () => {
  const nested = (depth: number) => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1);
  const keys = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 0])));

  it.each([
    ['that is not JSON', '{bad', 400, 'malformed_json'],
    ['that is cut short', '{"username":"x"', 400, 'malformed_json'],
    ['that is an empty string', '""', 400, 'malformed_json'],
    ['that is a number', '5', 400, 'malformed_json'],
    ['that is null', 'null', 400, 'malformed_json'],
    ['that is a list', '[{"username":"listed","password":"x","fullname":"x"}]', 422, 'validation_failed'],
    ['that is an empty list', '[]', 422, 'validation_failed'],
    ['nested 33 deep', nested(33), 400, 'body_too_complex'],
    ['nested 15,000 deep', nested(15_000), 400, 'body_too_complex'],
    ['of lists nested 50,000 deep', '['.repeat(50_000) + ']'.repeat(50_000), 400, 'body_too_complex'],
    ['nested 32 deep', nested(32), 422, 'validation_failed'],
    ['of 1,001 keys', keys(1001), 400, 'body_too_complex'],
    ['of 1,000 keys', keys(1000), 422, 'validation_failed'],
    ['with NUL in a value', '{"username":"a\\u0000b"}', 400, 'invalid_text'],
    ['with NUL in a key', '{"a\\u0000":1}', 400, 'invalid_text'],
    ['with half a surrogate pair', '{"fullname":"\\ud800"}', 400, 'invalid_text'],
    ['with half a surrogate pair deep inside', '{"a":[{"b":"\\udc00"}]}', 400, 'invalid_text'],
    ['with __proto__', '{"__proto__":{"is_active":true}}', 422, 'validation_failed'],
    ['with constructor', '{"constructor":{"prototype":{"x":1}}}', 422, 'validation_failed'],
    ['with constructor null', '{"constructor":null}', 422, 'validation_failed'],
    ['with a text as constructor', '{"constructor":"x"}', 422, 'validation_failed'],
    ['of more than 100 KB', JSON.stringify({ username: 'x'.repeat(102_400) }), 413, 'body_too_large'],
  ])('refuses a JSON body %s', async (_, body, status, code) => {
    expect((await post(body)).body).toMatchObject({ status, code });
  });

  it('is told the type of a field, and no other rule, when the type is wrong', async () => {
    const { body } = await post('{"username":"typed","password":8,"fullname":"x"}');
    expect(body['errors']).toEqual([{ path: 'password', message: 'password must be a string' }]);
  });

  it('treats an empty body as an empty object', async () => {
    expect((await t.request('POST', '/api/users')).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each([
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    'application/xml',
    'application/json; charset=latin1',
    'nonsense',
  ])('answers 415 to the type %s', async (type) => {
    const answer = await post('username=a&password=b', { 'content-type': type });
    expect(answer.body).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('answers 415 to any compressed body', async () => {
    const response = await fetch(`${t.url}/api/users`, {
      method: 'POST',
      headers: { ...json, 'content-encoding': 'gzip' },
      body: gzipSync(`"${'x'.repeat(50_000_000)}"`),
    });
    expect(response.status).toBe(415);
  });

  it('answers 400 invalid_text to invalid UTF-8', async () => {
    const response = await fetch(`${t.url}/api/users`, {
      method: 'POST',
      headers: json,
      body: Buffer.from('{"fullname":"\xff"}', 'latin1'),
    });
    expect(await response.json()).toMatchObject({ status: 400, code: 'invalid_text' });
  });

  it('answers 413 to a chunked body of more than 100 KB before it ends', async () => {
    const chunk = `2000\r\n${' '.repeat(0x2000)}\r\n`;
    const head =
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const { text } = await sendRaw(t.port, head, ...Array.from({ length: 14 }, () => chunk));
    expect(text).toContain('"code":"body_too_large"');
  });
});

describe('a form', () => {
  const sendForm = (method: string, path: string, type: string) =>
    t.request(method, path, { body: 'a=b', headers: { 'content-type': type } });
  const TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'];

  it.each(TYPES)('answers 404 on an unknown route (%s)', async (type) => {
    expect((await sendForm('POST', '/api/nothing', type)).body).toMatchObject({ status: 404, code: 'route_not_found' });
  });

  it.each(TYPES)('answers 415 on a JSON route in any letter case and with a trailing slash (%s)', async (type) => {
    for (const path of ['/api/users', '/api/users/', '/API/Users']) {
      const { body } = await sendForm('POST', path, type);
      expect([path, body['code']]).toEqual([path, 'unsupported_media_type']);
    }
  });

  it('is read by a form route in any letter case and with a trailing slash', async () => {
    const body = 'username=nobody%40example.org&password=wrong';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    for (const path of ['/api/login', '/api/login/', '/API/Login']) {
      const answer = await t.request('POST', path, { body, headers });
      expect([path, answer.body['code']]).toEqual([path, 'login_refused']);
    }
  });
});

it('a client that goes on to send its body after a refusal is not disconnected before it has read the answer', async () => {
  const { hostname, port } = new URL(t.url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const faults: string[] = [];
  socket.on('error', (error) => faults.push(error.message));
  socket.write(`PUT /api/uploads/${randomUUID()}/archive HTTP/1.1\r\nhost: machi\r\ncontent-length: 1000000\r\n\r\n`);
  let answer = '';
  socket.on('data', (data: Buffer) => (answer += data.toString()));
  await once(socket, 'end'); // the server writes no more
  expect(answer).toMatch(/^HTTP\/1.1 401 .*\r\nconnection: close\r\n/is);
  for (let sent = 0; sent < 1_000_000 && !socket.destroyed; sent += 50_000)
    await new Promise((resolve) => socket.write(Buffer.alloc(50_000), resolve));
  socket.end();
  if (!socket.destroyed) await once(socket, 'close');
  expect(faults).toEqual([]);
});
