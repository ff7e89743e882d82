import { SetMetadata, type Type } from '@nestjs/common';
import {
  EXCEPTION_FILTERS_METADATA,
  GUARDS_METADATA,
  INTERCEPTORS_METADATA,
  PIPES_METADATA,
} from '@nestjs/common/internal';
import { MetadataScanner } from '@nestjs/core';
import { MESSAGE_METADATA } from '@nestjs/websockets/internal';
import { RequestFrame } from './request-frame.dto.js';
import type { Subprotocol } from './subprotocol.js';

const OPTIONS = 'machi:chat-event';
const ENHANCERS = [EXCEPTION_FILTERS_METADATA, GUARDS_METADATA, INTERCEPTORS_METADATA, PIPES_METADATA];

/** What the dispatcher and `asyncapi.json` need to know about an event. */
export interface ChatEventOptions {
  /** One sentence for `asyncapi.json`. */
  summary: string;
  /** The fields of the request and their rules; by default, none but `request_id`. */
  request?: Type<RequestFrame>;
  /** The same for clients that do not speak `machi.v2`; by default, that of `request`. */
  oldRequest?: Type<RequestFrame>;
  /** The fields of `data` in the success frame (of each element, if `isList`), or a constant. */
  response: Type | 'pong';
  isList?: boolean;
  sentTo: 'the requester' | 'every connected member';
  /** The subprotocol whose clients may send the request; by default, all clients. */
  protocol?: Subprotocol | 'any';
  /** Whether the answer may exceed the 4 KiB that are sent even when the read quota of the user is used up. */
  isLarge?: boolean;
  /** Whether a `query` waits in a queue of its own for the database: those who wait there must not hold the slots of others. */
  hasOwnQueue?: boolean;
  /**
   * - `query`, the default: the handler runs once all earlier frames are answered, and needs a database slot. What it
   *   returns is sent to the requester and counted against the read quota of the user.
   * - `immediate`: like `query`, without database slot and quota.
   * - `pipelined`: the handler starts while earlier frames of this mode are unanswered, and answers by itself. It
   *   throws synchronously to refuse the request; its promise resolves once the request is answered and never rejects.
   * - `authentication`: like `immediate`, and also before the connection is authenticated.
   */
  mode?: 'query' | 'immediate' | 'pipelined' | 'authentication';
}

export interface ChatEventDefinition extends Required<ChatEventOptions> {
  /** The `type` of the frames. */
  type: string;
  method: string;
}

/** Describes a `@SubscribeMessage` handler. The handler is called with the connection and the validated request. */
export const ChatEvent = (options: ChatEventOptions): MethodDecorator => SetMetadata(OPTIONS, options);

/** Returns the events that a gateway class handles, in the order of its methods. Throws if a handler is declared wrongly. */
export function eventsOf(gateway: Type): ChatEventDefinition[] {
  const prototype = gateway.prototype as Record<string, () => unknown>;
  return new MetadataScanner().getAllMethodNames(prototype).flatMap((method) => {
    const handler = prototype[method]!;
    const type = Reflect.getMetadata(MESSAGE_METADATA, handler) as string | undefined;
    const options = Reflect.getMetadata(OPTIONS, handler) as ChatEventOptions | undefined;
    if (type === undefined && !options) return [];
    const name = `${gateway.name}.${method}`;
    if (type === undefined || !options) throw new Error(`${name} needs both @SubscribeMessage and @ChatEvent`);
    const hasEnhancer = ENHANCERS.some((key) => Reflect.hasMetadata(key, gateway) || Reflect.hasMetadata(key, handler));
    if (hasEnhancer) throw new Error(`${name}: guards, pipes, interceptors and filters do not apply to chat handlers`);
    return [
      {
        request: RequestFrame,
        oldRequest: options?.request ?? RequestFrame,
        isList: false,
        protocol: 'any',
        isLarge: false,
        hasOwnQueue: false,
        mode: 'query',
        ...options,
        type,
        method,
      },
    ];
  });
}
