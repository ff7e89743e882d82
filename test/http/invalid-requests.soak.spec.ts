import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { sendRaw } from '../support/clients/raw-request.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp();
});
afterAll(() => t.stop());

describe('an invalid request', () => {
  it.each([
    ['without a host', 'GET /api/misc/ping HTTP/1.1\r\n\r\n', 400, 'bad_request'],
    ['with two hosts', 'GET /api/misc/ping HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n', 400, 'bad_request'],
    [
      'for an upgrade with two hosts',
      'GET /api/ws HTTP/1.1\r\nhost: x\r\nhost: y\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      400,
      'bad_request',
    ],
    [
      'with an invalid host',
      'GET http://[::1/api/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      404,
      'route_not_found',
    ],
    [
      'with an unknown expectation',
      'GET / HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\nconnection: close\r\n\r\n',
      400,
      'bad_request',
    ],
    ['with the method CONNECT', 'CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'bad_request'],
    ['that is not HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
    [
      'with two lengths',
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde',
      400,
      'bad_request',
    ],
    [
      'with a length and chunks',
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad_request',
    ],
    [
      'with headers of 20 KB',
      `GET / HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
  ])('%s is answered with a problem', async (_, bytes, status, code) => {
    const { text } = await sendRaw(t.port, bytes);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain('content-type: application/problem+json');
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toMatchObject({ status, code, request_id: expect.any(String) });
  });

  it('whose headers take too long is answered with request_timeout', async () => {
    const quick = await startApp();
    quick.app.getHttpServer().headersTimeout = 200; // ten seconds elsewhere; the check itself runs every second
    const { text, ms } = await sendRaw(quick.port, 'GET / HTTP/1.1\r\nhost:');
    expect(text).toContain('"code":"request_timeout"');
    expect(ms).toBeLessThan(5000);
    await quick.stop();
  });

  it('whose body takes too long is answered with request_timeout', async () => {
    const quick = await startApp();
    Object.assign(quick.app.getHttpServer() as object, { headersTimeout: 100, requestTimeout: 200 });
    const { text } = await sendRaw(
      quick.port,
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{',
    );
    expect(text).toContain('"code":"request_timeout"');
    await quick.stop();
  });

  it('with a malformed chunked body is answered at once', async () => {
    const head =
      'POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const { text, ms } = await sendRaw(t.port, head, 'ZZ\r\n');
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(ms).toBeLessThan(5000);
  });

  it('with CONNECT and a reset, sent by 50 clients, does not stop the server', async () => {
    for (let i = 0; i < 50; i++) {
      const socket = connect(t.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    expect((await t.request('GET', '/api/misc/ping')).text).toBe('pong');
  });

  it('has its connection closed if the client does not close it', async () => {
    const open = (): Promise<number> =>
      new Promise((resolve) => t.app.getHttpServer().getConnections((_: unknown, count: number) => resolve(count)));
    const before = await open();
    const sockets = Array.from({ length: 5 }, () => connect({ port: t.port, host: '127.0.0.1', allowHalfOpen: true }));
    for (const socket of sockets) socket.on('error', () => undefined).write('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n');
    await expect.poll(open).toBeGreaterThan(before);
    await expect.poll(open).toBeLessThanOrEqual(before);
    for (const socket of sockets) socket.destroy();
  });

  it('times out after 10 seconds for the headers and 30 seconds for the body', () => {
    const { headersTimeout, requestTimeout } = t.app.getHttpServer() as {
      headersTimeout: number;
      requestTimeout: number;
    };
    expect([headersTimeout, requestTimeout]).toEqual([10_000, 30_000]);
  });
});

describe('a client that does not read its responses', () => {
  it('has 100 requests that it sent at once answered in turn, so that few responses are held', async () => {
    const quick = await startApp({ env: { SWAGGER: 'on' } });
    const started = vi.spyOn(quick.app.getHttpAdapter() as unknown as { handle: () => void }, 'handle');
    const socket = connect(quick.port, '127.0.0.1').pause();
    socket.write('GET /docs-json HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(100));
    await expect.poll(() => started.mock.calls.length).toBeGreaterThan(0);
    await quick.request('GET', '/docs-json'); // another connection is served meanwhile
    expect(started.mock.calls.length).toBeLessThan(50);
    socket.resume();
    await expect.poll(() => started.mock.calls.length, { timeout: 25_000 }).toBe(101);
    socket.destroy();
    await quick.stop();
  });

  it('is not read further while its requests wait, so that few of them are held', async () => {
    const quick = await startApp();
    const adapter = quick.app.getHttpAdapter() as unknown as { handle: (...args: unknown[]) => void };
    const handle = adapter.handle.bind(adapter);
    let answer: () => void = () => undefined;
    const started = vi.spyOn(adapter, 'handle').mockImplementationOnce((...args) => (answer = () => handle(...args)));
    let received = 0;
    quick.app.getHttpServer().on('request', () => received++);
    const socket = connect(quick.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data: Buffer) => (text = (text + data.toString()).slice(-10_000)));
    const count = 5_000;
    socket.write(`GET /api/misc/ping HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(200)}\r\n\r\n`.repeat(count));
    socket.write('GET /api/unknown HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nend');
    await expect.poll(() => received).toBeGreaterThan(1);
    await sleep(500); // long enough for more to arrive
    expect([started.mock.calls.length, received < 1_500]).toEqual([1, true]);
    answer();
    await expect.poll(() => received, { timeout: 60_000 }).toBe(count + 1);
    await expect.poll(() => text, { timeout: 60_000 }).toContain('route_not_found');
    socket.destroy();
    await quick.stop();
  });

  it('is disconnected once no byte has moved for 60 seconds', async () => {
    const quick = await startApp({ env: { SWAGGER: 'on' } });
    const server: Server = quick.app.getHttpServer();
    expect(server.timeout).toBe(60_000);
    server.timeout = 300;
    const open = (): Promise<number> =>
      new Promise((resolve) => server.getConnections((_: unknown, count: number) => resolve(count)));
    const socket = connect(quick.port, '127.0.0.1')
      .on('error', () => undefined)
      .pause();
    socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(30)); // more than the system buffers
    await expect.poll(open).toBe(1);
    await expect.poll(open).toBe(0);
    socket.destroy();
    await quick.stop();
  });
});
