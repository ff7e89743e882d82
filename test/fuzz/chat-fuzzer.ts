import fc from 'fast-check';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { CLOSE_CODES } from '../../src/chat/protocol/close-codes.js';
import { MACHI_V2 } from '../../src/chat/protocol/subprotocol.js';
import { assertDocumented } from '../support/api/asyncapi.js';
import type { Role } from './api-document.js';
import { type ChatCase, chatCasesOf, EVENTS } from './chat-cases.js';
import { HANG_MS } from './http-client.js';
import { FIRST_CHAT_CASE } from './http-fuzzer.js';
import type { Report } from './report.js';
import { ROLES, type World } from './world.js';

interface Setup {
  url: string;
  world: World;
  report: Report;
  seed: number;
}

type Frame = { type?: unknown; success?: unknown; request_id?: unknown; data?: { id?: unknown } };

interface Connection {
  socket: WebSocket;
  frames: Frame[];
  /** The first frame that asyncapi.json does not describe. */
  fault?: string;
  closeCode?: number;
}

const CASES = [[], [MACHI_V2]].flatMap((protocols) =>
  EVENTS.flatMap((event) => ROLES.map((role) => ({ event, role, protocols }))),
);
/** Sent to new clients only: old ones get no frame that they did not ask for. */
const V2_FRAMES = new Set<unknown>([
  'hello',
  'expiring',
  'contact_request',
  'contact_accepted',
  'conversation_event',
  'message_read',
  'user_typing',
]);
const keyOf = (role: Role, protocols: string[]): string => [role, ...protocols].join(' ');

/** Codes of our own and those of the protocol (RFC 6455, section 7.4.1) that docs/chat.md lists. */
const DOCUMENTED_CODES = new Set([
  ...Object.values(CLOSE_CODES).map(({ code }) => code as number),
  1002,
  1007,
  1008,
  1009,
]);

/** Sends generated frames of every event as every role and records what must not happen. */
export class ChatFuzzer {
  /** By role and subprotocol. */
  private readonly connections = new Map<string, Connection>();
  private readonly arbitraries = new Map(EVENTS.map((event) => [event, chatCasesOf(event)]));
  private readonly numbers = { conversation: 1, message: 1 };
  private outsider: Connection | undefined;

  constructor(private readonly setup: Setup) {}

  /** Runs until the deadline, and at least one case of each event, role and subprotocol. */
  async run(deadline: number): Promise<void> {
    this.outsider = await this.open(this.setup.world.bystanderToken, [MACHI_V2]);
    for (let i = 0; i < CASES.length || Date.now() < deadline; i++) await this.runCase(FIRST_CHAT_CASE + i);
    const received = this.outsider.frames.find(({ type }) => type !== 'hello' && type !== 'expiring');
    if (!received) return;
    const text = `a user who is in no conversation receives ${JSON.stringify(received)}`;
    this.setup.report.fail({ name: 'chat', role: 'bystander', number: FIRST_CHAT_CASE, text });
  }

  close(): void {
    for (const { socket } of this.connections.values()) socket.terminate();
    this.outsider?.socket.terminate();
  }

  async runCase(number: number): Promise<void> {
    const { report, seed } = this.setup;
    const { event, role, protocols } = CASES[(number - FIRST_CHAT_CASE + seed) % CASES.length]!;
    const [spec] = fc.sample(this.arbitraries.get(event)!, { seed: seed + number, numRuns: 1 });
    const sent = spec!.frames.map((frame) => this.toBytes(frame, role));
    try {
      const connection = await this.connect(role, protocols);
      const fault = await this.exchange(connection, role, sent, number);
      report.count(event, role, connection.socket.readyState === WebSocket.OPEN ? 'answered' : 'closed');
      if (fault) throw new Error(fault);
    } catch (error) {
      const frames = sent.map((bytes) => bytes.toString().slice(0, 400)).join('\n  ');
      report.fail({ name: event, role, number, text: `${(error as Error).message}\n  ${frames}` });
      this.connections.delete(keyOf(role, protocols));
    }
  }

  /** Sends the frames and a ping, and waits until the ping is answered or the connection is closed. */
  private async exchange(
    connection: Connection,
    role: Role,
    sent: Buffer[],
    number: number,
  ): Promise<string | undefined> {
    const { socket, frames } = connection;
    const request_id = `case ${number}`;
    const first = frames.length;
    for (const bytes of sent) socket.send(bytes, { binary: isBinary(bytes) });
    socket.send(JSON.stringify({ type: 'ping', request_id }));
    const isAnswered = () => frames.slice(first).some((frame) => frame.request_id === request_id);
    const deadline = Date.now() + HANG_MS;
    while (!isAnswered() && socket.readyState !== WebSocket.CLOSED) {
      if (Date.now() > deadline) return `no answer to a ping within ${HANG_MS / 1000} s`;
      await sleep(1);
    }
    if (connection.fault) return connection.fault;
    if (role === 'anonymous') {
      const isRefused = frames.every(({ type, success }) => type === 'auth' && success === false);
      return isRefused ? undefined : 'an anonymous connection receives a frame';
    }
    if (socket.readyState === WebSocket.OPEN) return this.learn(frames.slice(first));
    const code = connection.closeCode ?? 1006;
    if (code === 4401) await this.setup.world.renew(role);
    return DOCUMENTED_CODES.has(code) ? undefined : `the connection is closed with ${code}, which is not documented`;
  }

  private learn(frames: Frame[]): undefined {
    for (const { type, success, data } of frames) {
      if (success !== true || typeof data?.id !== 'number') continue;
      if (type === 'create_conversation') this.numbers.conversation = data.id;
      if (type === 'send_message') this.numbers.message = data.id;
    }
  }

  private async connect(role: Role, protocols: string[]): Promise<Connection> {
    const known = this.connections.get(keyOf(role, protocols));
    if (known?.socket.readyState === WebSocket.OPEN) return known;
    const connection = await this.open(this.setup.world.tokenOf(role), protocols);
    this.connections.set(keyOf(role, protocols), connection);
    return connection;
  }

  private async open(token: string | undefined, protocols: string[]): Promise<Connection> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${this.setup.url.replace('http', 'ws')}/api/ws`, protocols, { headers });
    const connection: Connection = { socket, frames: [] };
    socket.on('error', () => undefined);
    socket.on('close', (code) => (connection.closeCode = code));
    socket.on('message', (data: Buffer) => {
      try {
        const frame = JSON.parse(data.toString()) as Frame;
        connection.frames.push(frame);
        assertDocumented(frame);
        if (protocols.length === 0 && V2_FRAMES.has(frame.type))
          connection.fault ??= `an old client gets ${String(frame.type)}`;
      } catch (error) {
        connection.fault ??= `${(error as Error).message}: ${data.toString().slice(0, 300)}`;
      }
    });
    await once(socket, 'open');
    return connection;
  }

  private toBytes({ json, damage }: ChatCase['frames'][number], role: Role): Buffer {
    const { world } = this.setup;
    const text = (JSON.stringify(json) ?? 'null')
      .replaceAll(/"\{\{(conversation|message)\}\}"/g, (_, name: 'conversation' | 'message') =>
        String(this.numbers[name]),
      )
      .replaceAll('{{username}}', () => world.usernameOf(ROLES[1 + (this.numbers.message % (ROLES.length - 1))]!));
    const frame = world.resolve(text, role);
    if (damage === 'truncated') return Buffer.from(frame.slice(0, frame.length >> 1));
    if (damage === 'trailing') return Buffer.from(`${frame}]`);
    if (damage === 'duplicated') return Buffer.from(frame.replace('{', `{${frame.slice(1, -1)},`));
    if (damage === 'huge') return Buffer.from(frame.padEnd(70_000));
    if (damage === 'not JSON') return Buffer.from('{type: ping}');
    return damage === 'binary' ? Buffer.concat([Buffer.from([0]), Buffer.from(frame)]) : Buffer.from(frame);
  }
}

/** Frames that begin with a NUL are sent as binary frames. */
const isBinary = (bytes: Buffer): boolean => bytes[0] === 0;
