import { SetMetadata, type Type } from '@nestjs/common';
import { MetadataScanner, Reflector } from '@nestjs/core';
import { RequestFrame } from './request-frame.dto.js';

const OPTIONS = 'machi:chat-event';
/** Written by `@SubscribeMessage`. */
const TYPE = 'message';

/** What the dispatcher and `asyncapi.json` need to know about an event. */
export interface ChatEventOptions {
  /** One sentence for `asyncapi.json`. */
  summary: string;
  /** The fields of the request and their rules; by default, none but `request_id`. */
  request?: Type<RequestFrame>;
  /** The fields of `data` in the success frame (of each element, if `isList`), or a constant. */
  response: Type | 'pong';
  isList?: boolean;
  sentTo: 'the requester' | 'every connected member';
  /**
   * - `query`, the default: the handler runs once all earlier frames are answered, and needs a database slot. What it
   *   returns is sent to the requester and counted against the read quota of the user.
   * - `immediate`: like `query`, without database slot and quota.
   * - `pipelined`: the handler starts while earlier frames of this mode are unanswered, and answers by itself. It
   *   throws synchronously to refuse the request; its promise resolves once the request is answered and never rejects.
   */
  mode?: 'query' | 'immediate' | 'pipelined';
}

export interface ChatEventDefinition extends Required<ChatEventOptions> {
  /** The `type` of the frames. */
  type: string;
  method: string;
}

/** Describes a `@SubscribeMessage` handler. The handler is called with the connection and the validated request. */
export const ChatEvent = (options: ChatEventOptions): MethodDecorator => SetMetadata(OPTIONS, options);

/** The events that a gateway class handles, in the order of its methods. */
export function eventsOf(gateway: Type): ChatEventDefinition[] {
  const prototype = gateway.prototype as Record<string, () => unknown>;
  return new MetadataScanner().getAllMethodNames(prototype).flatMap((method) => {
    const handler = prototype[method]!;
    const options = new Reflector().get<ChatEventOptions | undefined>(OPTIONS, handler);
    if (!options) return [];
    const type = Reflect.getMetadata(TYPE, handler) as string;
    return [{ request: RequestFrame, isList: false, mode: 'query', ...options, type, method }];
  });
}
