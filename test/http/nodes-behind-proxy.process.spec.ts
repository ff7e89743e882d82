import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { hasNginx, startNginx } from '../support/servers/nginx.js';
import { freePort } from '../support/servers/postgres-server.js';

const ADDRESSES = ['127.0.0.2', '127.0.0.3'];
const POST = { method: 'POST', body: 'text' };

/** Answers every question with the addresses of both nodes, as the DNS of Docker does for the name of a service. */
async function startDns() {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, ADDRESSES.length, 0, 0, 0, 0]);
    const records = ADDRESSES.flatMap((ip) => [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...ip.split('.').map(Number)]);
    const question = query.subarray(12, query.indexOf(0, 12) + 5);
    socket.send(Buffer.concat([head, question, Buffer.from(records)]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** A node that answers with its address, or breaks connections once it has got the request. */
async function startNode(host: string, port: number) {
  const node = { received: 0, isBroken: false, stop: () => server.close() };
  const server = createServer((request, response) => {
    if (request.url !== '/api/health') node.received++;
    if (node.isBroken) request.socket.destroy();
    else request.resume().once('end', () => response.end(host));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.send(host));
  server.listen(port, host);
  await once(server, 'listening');
  return node;
}

describe.skipIf(!hasNginx)('two nodes behind the proxy of the production stack', () => {
  let dns: Awaited<ReturnType<typeof startDns>>;
  let nodes: Awaited<ReturnType<typeof startNode>>[];
  let proxy: Awaited<ReturnType<typeof startNginx>>;
  beforeAll(async () => {
    dns = await startDns();
    const port = await freePort();
    nodes = await Promise.all(ADDRESSES.map((host) => startNode(host, port)));
    const resolver = `resolver 127.0.0.1:${dns.address().port} `;
    proxy = await startNginx(`http://nodes.test:${port}`, (config) => config.replace('resolver 127.0.0.11 ', resolver));
  });
  afterAll(async () => {
    await proxy.stop();
    for (const node of nodes) node.stop();
    dns.close();
  });

  const answersOf = (init: RequestInit) =>
    Promise.all(
      Array.from({ length: 40 }, async () => {
        const response = await fetch(`${proxy.url}/api/users`, init);
        return [response.status, await response.text()];
      }),
    );

  it('share requests and WebSocket connections', async () => {
    await fetch(`${proxy.url}/api/users`); // requests that wait for the same answer of the DNS go to the same node
    const answers = await answersOf({});
    expect(new Set(answers.map(([, host]) => host))).toEqual(new Set(ADDRESSES));
    const hosts = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/api/ws`);
        const [data] = (await once(socket, 'message')) as [Buffer];
        socket.terminate();
        return data.toString();
      }),
    );
    expect(new Set(hosts)).toEqual(new Set(ADDRESSES));
  });

  it('that break a connection: a GET is repeated, a POST is answered 503 and never sent twice', async () => {
    nodes[1]!.isBroken = true;
    for (const [status] of await answersOf({})) expect(status).toBe(200);
    for (const node of nodes) node.received = 0;
    const answers = await answersOf(POST);
    expect(nodes[0]!.received + nodes[1]!.received).toBe(40);
    for (const [status, text] of answers) {
      if (status === 503) expect(JSON.parse(text as string)).toMatchObject({ code: 'not_ready' });
      else expect([status, text]).toEqual([200, ADDRESSES[0]]);
    }
  });

  it('of which one refuses connections: the other one gets every request', async () => {
    nodes[1]!.stop();
    for (const init of [{}, POST]) {
      for (const answer of await answersOf(init)) expect(answer).toEqual([200, ADDRESSES[0]]);
    }
  });
});
