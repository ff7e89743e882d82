import { Inject, Injectable, Logger, type Type } from '@nestjs/common';
import pLimit from 'p-limit';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import type { ProblemCode } from '../../http/problems/problem-catalogue.js';
import { mapToProblem } from '../../http/problems/problem-mapping.js';
import { LabelCounts } from '../../metrics/counts.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { type ChatEventDefinition, eventsOf } from '../protocol/chat-event.decorator.js';
import type { RequestFrame } from '../protocol/request-frame.dto.js';
import { explainUnknownType, parseFrame, toRequest } from '../protocol/request-parser.js';
import { errorText, successText } from '../protocol/responses.js';
import type { Connection } from './connection.js';
import { ConnectionsService } from './connections.service.js';

/** Injects the gateway instances whose handlers the dispatcher calls. */
export const CHAT_GATEWAYS = Symbol('CHAT_GATEWAYS');

/** What a handler returns: `data` of the success frame, or undefined if it has sent the answer itself. */
type Answer = object | string | undefined;

interface EventHandler extends ChatEventDefinition {
  handle(connection: Connection, request: RequestFrame): Answer | Promise<Answer>;
}

/** Frames with more characters are parsed on arrival, so that only a valid request or an error waits in the queue. */
const LONG_FRAME = 64 * 1024;
/** Answers up to this number of characters are sent even if the read quota of the user is used up. */
const SMALL_ANSWER = 4 * 1024;

/** A parsed frame: a valid request, or the problem with it. */
interface PreparedFrame {
  /** The number of characters of the frame. */
  length: number;
  /** Undefined if the type is unknown. */
  handler: EventHandler | undefined;
  requestId: string | undefined;
  content: RequestFrame | Problem;
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

  private frames = 0;
  private readonly refusals = new LabelCounts<ProblemCode>('code');

  constructor(
    @Inject(CHAT_GATEWAYS) gateways: object[],
    private readonly connections: ConnectionsService,
    config: Config,
    metrics: MetricsService,
  ) {
    metrics.total('machi_chat_frames_total', 'Frames received.', () => this.frames);
    const help = 'Frames answered with an error, by its code.';
    metrics.total('machi_chat_refused_frames_total', help, () => this.refusals.read());
    this.runQuery = pLimit(Math.max(1, config.DB_POOL_SIZE >> 1));
    for (const gateway of gateways) this.register(gateway);
  }

  /** Handles a text frame; null stands for a binary one. */
  receive(connection: Connection, text: string | null): void {
    connection.noteActivity();
    connection.noteFrame();
    if (!connection.isOpen) return;
    this.frames++;
    const { received } = connection;
    received.push(text !== null && text.length > LONG_FRAME ? this.prepare(connection, text) : text);
    if (received.isFull) connection.pauseReading();
    received.start(() => this.handleReceived(connection));
  }

  /** Counts a ping or pong as a frame; ws answers pings. */
  receiveControlFrame(connection: Connection, payloadBytes: number): void {
    connection.noteActivity();
    connection.noteControlFrame(payloadBytes);
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
    for (let item = received.take(); item !== undefined; item = received.take()) {
      const frame =
        typeof item === 'string' || item === null ? this.prepare(connection, item) : (item as PreparedFrame);
      const { handler, content } = frame;
      try {
        if (!connection.takeFrame()) throw rateLimited('Too many frames; wait a moment.');
        if (!connection.isAuthenticated && handler?.mode !== 'authentication') {
          connection.close('token_required');
          continue; // the queue is empty now, and learns from `take` that this worker ends
        }
        if (!handler || content instanceof Problem) throw content;
        if (handler.mode === 'pipelined') received.track(handler.handle(connection, content) as Promise<void>);
        else await this.answer(connection, handler, content, frame.requestId);
      } catch (error) {
        await this.refuse(connection, frame, mapToProblem(error));
      }
      if (received.isPipelineFull) await received.whenAnswered();
      if (received.waiting === 0) connection.resumeReading();
    }
  }

  /** Parses a frame, unless too many characters were sent: then its type and `request_id` stay unknown. */
  private prepare(connection: Connection, text: string | null): PreparedFrame {
    const length = text?.length ?? 0;
    if (!this.mayParse(connection, length)) {
      const content = rateLimited('Too much was sent; wait a moment.');
      return { length, handler: undefined, requestId: undefined, content };
    }
    const frame = parseFrame(text);
    const known = this.handlers.get(frame.type);
    const handler = connection.isV2 || known?.protocol === 'any' ? known : undefined;
    const prepared = { length, handler, requestId: frame.requestId };
    try {
      if (!handler || !frame.fields) throw new Problem('invalid_frame', { detail: explainUnknownType(text, frame) });
      return { ...prepared, content: toRequest(connection.isV2 ? handler.request : handler.oldRequest, frame.fields) };
    } catch (error) {
      return { ...prepared, content: mapToProblem(error) };
    }
  }

  /** Counts the characters of a frame against the quota of the user. Without a user, frames must be short. */
  private mayParse(connection: Connection, length: number): boolean {
    if (!connection.isAuthenticated) return length <= LONG_FRAME;
    return this.connections.takeReceived(connection.session.participant_id, length);
  }

  private async answer(
    connection: Connection,
    handler: EventHandler,
    request: RequestFrame,
    requestId: string | undefined,
  ): Promise<void> {
    await connection.received.whenAnswered();
    if (handler.mode !== 'query') {
      const data = await handler.handle(connection, request);
      if (data !== undefined) connection.send(successText(handler.type, data, requestId));
      return;
    }
    const { participant_id } = connection.session;
    const isWithinQuota = this.connections.hasReadQuota(participant_id);
    if (handler.isLarge && !isWithinQuota && !this.connections.takeTrial(participant_id)) throw tooMuchFetched();
    const task = async (): Promise<Answer> => handler.handle(connection, request);
    const data = await (handler.hasOwnQueue ? task() : this.runQuery(task));
    if (data === undefined) return;
    const text = successText(handler.type, data, requestId);
    if (!isWithinQuota && text.length > SMALL_ANSWER) throw tooMuchFetched();
    this.connections.chargeRead(participant_id, text.length);
    connection.send(text);
  }

  /** Sends an error frame, after the answers to earlier frames. Closes the connection if its violation budget is used up. */
  private async refuse(
    connection: Connection,
    { handler, requestId, length }: PreparedFrame,
    problem: Problem,
  ): Promise<void> {
    this.refusals.add(problem.code);
    const isOverLimit = problem.code === 'rate_limited';
    if ((isOverLimit || !handler) && !connection.takeViolation(isOverLimit ? 'rate' : 'abuse', length)) return;
    const { cause } = problem;
    if (problem.getStatus() >= 500 && cause) this.log.error(new Error(`Handling ${handler?.type} failed`, { cause }));
    await connection.received.whenAnswered();
    connection.send(errorText(handler?.type ?? 'root', problem, connection.isV2, requestId));
  }
}

const rateLimited = (detail: string): Problem => new Problem('rate_limited', { detail });
const tooMuchFetched = (): Problem => rateLimited('Too much was fetched; wait a moment.');
