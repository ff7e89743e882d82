import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getMetadataStorage, validateSync } from 'class-validator';
import pLimit from 'p-limit';
import { Problem } from '../http/problem.js';
import { mapToProblem } from '../http/problem-mapping.js';
import { Config } from '../config/config.js';
import type { CloseReason } from './protocol/close-codes.js';
import type { Connection } from './connections/connection.js';
import { ConnectionsService } from './connections/connections.service.js';
import { errorText, successText } from './protocol/responses.js';
import type { Answer, ChatEvent, EventClass } from './protocol/event.js';
import { EVENTS } from './events.js';
import { isText } from './protocol/field-decorators.js';
import type { RequestFrame } from './protocol/request.dto.js';

/** Messages of one connection that may be under way before its next frame is looked at. */
const MAX_SENDING = 64;

const MAX_REQUEST_ID = 64;

interface Handler {
  type: string;
  kind: EventClass;
  event: ChatEvent;
}

/** Hands each frame to its event, strictly in order per connection, and sends the answer. */
@Injectable()
export class DispatcherService implements OnModuleInit {
  private readonly log = new Logger(DispatcherService.name);
  private readonly handlers = new Map<string, Handler>();
  /** Not all of the pool: the messages need a connection at any time, and so do requests over HTTP. */
  private readonly queries: <T>(task: () => T | Promise<T>) => Promise<T>;

  constructor(
    private readonly modules: ModuleRef,
    private readonly connections: ConnectionsService,
    config: Config,
  ) {
    this.queries = pLimit(Math.max(1, config.DB_POOL_SIZE >> 1));
  }

  onModuleInit(): void {
    for (const [type, kind] of Object.entries<EventClass>(EVENTS)) {
      this.handlers.set(type, { type, kind, event: this.modules.get<ChatEvent>(kind) });
    }
  }

  /** A frame has come; undefined when it is not text. */
  receive(connection: Connection, text: string | undefined): void {
    connection.heard();
    if (!connection.isOpen) return;
    connection.inbox.push(text);
    if (connection.inbox.isFull) connection.pause();
    if (!connection.isWorking) connection.working = this.work(connection);
  }

  /** A ping or a pong has come; ws answers pings. They count as frames, too. */
  receiveControl(connection: Connection): void {
    connection.heard();
    if (!this.connections.mayAct(connection) && !this.bearWith(connection)) giveUp(connection, 'rate');
  }

  /** When everything received so far has been answered. */
  async settle(connection: Connection): Promise<void> {
    while (connection.isWorking) await connection.working;
    await connection.newestSend;
  }

  private async work(connection: Connection): Promise<void> {
    connection.isWorking = true;
    while (connection.isOpen && connection.inbox.length > 0) {
      const done = this.handle(connection, connection.inbox.shift());
      if (done) await done;
      if (connection.sending >= MAX_SENDING) await connection.newestSend;
      if (connection.inbox.length === 0) connection.listen();
    }
    connection.isWorking = false; // in the same turn as the look into the inbox: nothing comes between
  }

  /** Undefined when the next frame need not wait. */
  private handle(connection: Connection, text: string | undefined): Promise<void> | undefined {
    const frame = parse(text);
    const handler = frame && this.handlers.get(frame['type'] as string);
    const requestId =
      frame && isText(frame['request_id'], MAX_REQUEST_ID) ? (frame['request_id'] as string) : undefined;
    const refuse = (problem: Problem): Promise<void> | undefined =>
      this.inOrder(connection, () => connection.send(errorText(handler?.type ?? 'root', problem, requestId)));
    if (!this.connections.mayAct(connection)) {
      if (!this.bearWith(connection)) return giveUp(connection, 'rate');
      return refuse(new Problem('rate_limited', { detail: 'Too many frames; wait a moment.' }));
    }
    if (!handler) {
      if (!this.bearWith(connection)) return giveUp(connection, 'abuse');
      return refuse(new Problem('invalid_frame', { detail: complaint(text, frame) }));
    }
    const request = toRequest(handler.kind.request, frame);
    if (request instanceof Problem) return refuse(request);
    if (!handler.kind.isPipelined) return this.answer(connection, handler, request, requestId);
    return this.start(connection, handler, request, refuse);
  }

  /** A frame that is answered by the event itself, some time; the next one may follow. */
  private start(
    connection: Connection,
    { event }: Handler,
    request: RequestFrame,
    refuse: (problem: Problem) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    try {
      connection.sending++;
      connection.newestSend = Promise.resolve(event.handle(connection, request)).then(() => {
        connection.sending--;
      });
      return undefined;
    } catch (error) {
      connection.sending--;
      const problem = mapToProblem(error);
      if (problem.code === 'rate_limited' && !this.bearWith(connection)) return giveUp(connection, 'rate');
      return refuse(problem);
    }
  }

  private async answer(
    connection: Connection,
    { type, kind, event }: Handler,
    request: RequestFrame,
    requestId: string | undefined,
  ): Promise<void> {
    if (connection.sending > 0) await connection.newestSend;
    try {
      if (kind.data !== 'pong') this.assertMayFetch(connection);
      const run = (): Answer | Promise<Answer> => event.handle(connection, request);
      const data = kind.data === 'pong' ? await run() : await this.queries(run);
      if (data === undefined) return;
      const text = successText(type, data, requestId);
      this.connections.fetched(connection, text.length);
      connection.send(text);
    } catch (error) {
      const problem = mapToProblem(error);
      if (problem.code === 'rate_limited' && !this.bearWith(connection)) return giveUp(connection, 'rate');
      if (problem.status >= 500) this.log.error(problem.cause instanceof Error ? problem.cause : problem);
      connection.send(errorText(type, problem, requestId));
    }
  }

  private assertMayFetch(connection: Connection): void {
    if (this.connections.mayFetch(connection)) return;
    throw new Problem('rate_limited', { detail: 'Too much was fetched; wait a moment.' });
  }

  private inOrder(connection: Connection, send: () => void): Promise<void> | undefined {
    if (connection.sending > 0) return connection.newestSend!.then(send);
    send();
    return undefined;
  }

  /** False when it has been refused too much. */
  private bearWith(connection: Connection): boolean {
    return connection.patience?.take(this.connections.now()) ?? true;
  }
}

function giveUp(connection: Connection, reason: CloseReason): undefined {
  connection.close(reason);
}

type Frame = Record<string, unknown>;

function parse(text: string | undefined): Frame | undefined {
  if (text === undefined) return undefined;
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === 'object' && frame !== null && !Array.isArray(frame) ? (frame as Frame) : undefined;
  } catch {
    return undefined;
  }
}

function complaint(text: string | undefined, frame: Frame | undefined): string {
  if (text === undefined) return 'Send text frames, not binary ones.';
  if (!frame) return 'Send one JSON object in each frame.';
  if (!Object.hasOwn(frame, 'type')) return 'type required';
  return 'There is no such type.';
}

/** The fields of a frame that are known, by rule; what else a client sends is its own affair. */
const fieldsOf = memoised((request: new () => RequestFrame) => [
  ...new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(request, '', false, false)
      .map(({ propertyName }) => propertyName),
  ),
]);

function toRequest(kind: new () => RequestFrame, frame: Frame): RequestFrame | Problem {
  const request = new kind() as RequestFrame & Frame;
  for (const field of fieldsOf(kind)) if (Object.hasOwn(frame, field)) request[field] = frame[field];
  const [error] = validateSync(request, { stopAtFirstError: true });
  if (!error) return request;
  const [sentence] = Object.values(error.constraints ?? {});
  const detail = error.value === undefined ? `${error.property} required` : sentence;
  return new Problem('invalid_frame', { detail });
}

function memoised<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new WeakMap<Key, Value>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}
