import { Inject, Injectable, Logger, type Type } from '@nestjs/common';
import pLimit from 'p-limit';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problem.js';
import { mapToProblem } from '../../http/problem-mapping.js';
import { type ChatEventDefinition, eventsOf } from '../protocol/chat-event.decorator.js';
import type { RequestFrame } from '../protocol/request-frame.dto.js';
import { explainUnknownType, parseFrame, toRequest } from '../protocol/request-parser.js';
import { errorText, successText } from '../protocol/responses.js';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';
import type { ReceivedFrame } from './frame-queue.js';

/** Injects the gateway instances whose handlers the dispatcher calls. */
export const CHAT_GATEWAYS = Symbol('CHAT_GATEWAYS');

/** What a handler returns: `data` of the success frame, or undefined if it has sent the answer itself. */
type Answer = object | string | undefined;

interface EventHandler extends ChatEventDefinition {
  handle(connection: Connection, request: RequestFrame): Answer | Promise<Answer>;
}

/**
 * Calls the handler of each received frame, strictly in order per connection, and sends the answers. Handlers are called
 * directly: guards, pipes, interceptors and filters of Nest do not apply to them.
 */
@Injectable()
export class FrameDispatcherService {
  private readonly log = new Logger(FrameDispatcherService.name);
  private readonly handlers = new Map<unknown, EventHandler>();
  /** Half of the pool: messages and HTTP requests need database connections at any time. */
  private readonly runQuery: <T>(task: () => T | Promise<T>) => Promise<T>;

  constructor(
    @Inject(CHAT_GATEWAYS) gateways: object[],
    private readonly connections: ConnectionsService,
    config: Config,
  ) {
    this.runQuery = pLimit(Math.max(1, config.DB_POOL_SIZE >> 1));
    for (const gateway of gateways) this.register(gateway);
  }

  /** Handles a text or binary frame. */
  receive(connection: Connection, frame: ReceivedFrame): void {
    connection.noteActivity();
    if (!connection.isOpen) return;
    const { received } = connection;
    received.push(frame);
    if (received.isFull) connection.pauseReading();
    received.start(() => this.handleReceived(connection));
  }

  /** Counts a ping or pong as a frame; ws answers pings. */
  receiveControlFrame(connection: Connection): void {
    connection.noteActivity();
    if (!connection.takeFrame()) connection.takeViolation('rate');
  }

  private register(gateway: object): void {
    for (const event of eventsOf(gateway.constructor as Type)) {
      if (this.handlers.has(event.type)) throw new Error(`Two chat handlers subscribe to "${event.type}"`);
      const method = (gateway as Record<string, EventHandler['handle']>)[event.method]!;
      this.handlers.set(event.type, { ...event, handle: method.bind(gateway) });
    }
  }

  private async handleReceived(connection: Connection): Promise<void> {
    const { received } = connection;
    for (let text = received.take(); text !== undefined; text = received.take()) {
      const frame = parseFrame(text);
      const handler = this.handlers.get(frame.type);
      try {
        if (!connection.takeFrame()) throw rateLimited('Too many frames; wait a moment.');
        if (!handler || !frame.fields) throw new Problem('invalid_frame', { detail: explainUnknownType(text, frame) });
        const request = toRequest(handler.request, frame.fields);
        if (handler.mode === 'pipelined') received.track(handler.handle(connection, request) as Promise<void>);
        else await this.answer(connection, handler, request, frame.requestId);
      } catch (error) {
        await this.refuse(connection, handler, mapToProblem(error), frame.requestId);
      }
      if (received.isPipelineFull) await received.whenAnswered();
      if (received.waiting === 0) connection.resumeReading();
    }
  }

  private async answer(
    connection: Connection,
    handler: EventHandler,
    request: RequestFrame,
    requestId: string | undefined,
  ): Promise<void> {
    await connection.received.whenAnswered();
    const { participant_id } = connection.session;
    const data = await this.call(handler, connection, request);
    if (data === undefined) return;
    const text = successText(handler.type, data, requestId);
    this.connections.chargeRead(participant_id, text.length);
    connection.send(text);
  }

  private async call(handler: EventHandler, connection: Connection, request: RequestFrame): Promise<Answer> {
    if (handler.mode === 'immediate') return handler.handle(connection, request);
    const hasQuota = this.connections.hasReadQuota(connection.session.participant_id);
    if (!hasQuota) throw rateLimited('Too much was fetched; wait a moment.');
    return this.runQuery(() => handler.handle(connection, request));
  }

  /** Sends an error frame, after the answers to earlier frames. Closes the connection if its violation budget is used up. */
  private async refuse(
    connection: Connection,
    handler: EventHandler | undefined,
    problem: Problem,
    requestId: string | undefined,
  ): Promise<void> {
    const isOverLimit = problem.code === 'rate_limited';
    if ((isOverLimit || !handler) && !connection.takeViolation(isOverLimit ? 'rate' : 'abuse')) return;
    const { cause } = problem;
    if (problem.getStatus() >= 500 && cause) this.log.error(new Error(`Handling ${handler?.type} failed`, { cause }));
    await connection.received.whenAnswered();
    connection.send(errorText(handler?.type ?? 'root', problem, requestId));
  }
}

const rateLimited = (detail: string): Problem => new Problem('rate_limited', { detail });
