// A process of clients for the chat benches. It uses raw sockets that read into one buffer, so that the load costs little CPU. Each
// client recognizes its own messages by four digits at a fixed distance from the end of every frame.
import { once } from 'node:events';
import { connect } from 'node:net';

const MARK_FROM_END = '0000","sent_at":1795276800}}'.length;
const READ_BUFFER = Buffer.alloc(64 * 1024);
let clients = [];
let deliveries = 0;
let echoes = 0;
let latencies = [];
let isClosedLoop = false;

/** A masked text frame. The mask is zero, which leaves the bytes unchanged. */
function frame(text) {
  const payload = Buffer.from(text);
  const short = payload.length < 126;
  const header = Buffer.alloc(short ? 6 : 8);
  header[0] = 0x81;
  header[1] = 0x80 | (short ? payload.length : 126);
  if (!short) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

class Client {
  sent = []; // times of the messages in flight
  rest = undefined;

  constructor({ mark, text }) {
    this.mark = mark;
    this.bytes = text && frame(text);
  }

  /** `greeting` is the first frame for a Socket.IO server, which admits the client. */
  async open({ port, path, headers, greeting }) {
    const callback = (length) => {
      this.receive(READ_BUFFER.subarray(0, length)); // overwritten after the call
      return true; // read on
    };
    const onread = { buffer: READ_BUFFER, callback };
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    this.socket.on('error', () => undefined);
    await once(this.socket, 'connect');
    const lines = Object.entries({
      host: `127.0.0.1:${port}`,
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': 13,
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    const head = await this.nextText();
    if (!head.includes('HTTP/1.1 101')) throw new Error(`not upgraded: ${head}`);
    if (greeting) await this.greet(greeting);
    this.receive = (chunk) => this.read(chunk);
  }

  /** What arrives next, before the frames are read. */
  nextText() {
    return new Promise((resolve) => (this.receive = (chunk) => resolve(chunk.toString())));
  }

  async greet(greeting) {
    this.socket.write(frame(greeting));
    while (!(await this.nextText()).includes('40{'));
  }

  send(now) {
    this.sent.push(now);
    this.socket.write(this.bytes);
  }

  read(chunk) {
    const bytes = this.rest ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    while (at + 4 <= bytes.length) {
      const short = bytes[at + 1];
      const start = short < 126 ? at + 2 : at + 4;
      const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2));
      if (end > bytes.length) break;
      if (bytes[at] === 0x81 && end === start + 1)
        this.socket.write(frame('3')); // the ping of Socket.IO
      else if (bytes[at] === 0x81) this.handle(bytes, end);
      else if (bytes[at] === 0x89) this.socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
      else throw new Error(`closed: ${bytes.subarray(start, end)}`);
      at = end;
    }
    this.rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
  }

  handle(bytes, end) {
    deliveries++;
    const at = end - MARK_FROM_END;
    const mark = (bytes[at] - 48) * 1000 + (bytes[at + 1] - 48) * 100 + (bytes[at + 2] - 48) * 10 + bytes[at + 3] - 48;
    if (mark !== this.mark || bytes[end - MARK_FROM_END + 4] !== 34) return;
    const now = performance.now();
    echoes++;
    latencies.push(now - this.sent.shift());
    if (isClosedLoop) this.send(now);
  }
}

/** Sends `rate` messages per second in total, whether or not they are answered. */
function openLoop(rate) {
  const senders = clients.filter(({ bytes }) => bytes);
  let due = performance.now();
  let next = 0;
  return setInterval(() => {
    for (; due <= performance.now(); due += 1000 / rate) senders[next++ % senders.length].send(due);
  }, 2);
}

const tasks = {
  async connect({ to, list }) {
    const opened = list.map((one) => new Client(one));
    for (let i = 0; i < opened.length; i += 50) {
      await Promise.all(opened.slice(i, i + 50).map((client, j) => client.open({ ...to, ...list[i + j].to })));
    }
    clients = opened;
  },
  start({ window, rate }) {
    isClosedLoop = window > 0;
    if (rate > 0) this.timer = openLoop(rate);
    for (const client of clients) for (let i = 0; i < window && client.bytes; i++) client.send(performance.now());
  },
  reset() {
    deliveries = echoes = 0;
    latencies = [];
  },
  count() {
    latencies.sort((a, b) => a - b);
    const at = (q) => latencies[Math.floor(latencies.length * q)];
    return { deliveries, echoes, p50: at(0.5), p99: at(0.99) };
  },
  stop() {
    isClosedLoop = false;
    clearInterval(this.timer);
  },
  isDone: () => clients.every(({ sent }) => sent.length === 0),
  close() {
    for (const { socket } of clients) socket.destroy();
    clients = [];
  },
};

async function answer({ id, task, data }) {
  process.send({ id, result: await tasks[task](data ?? {}) });
}

process.on('message', (message) => void answer(message));
process.on('disconnect', () => process.exit());
