import { UseGuards } from '@nestjs/common';
import { SubscribeMessage } from '@nestjs/websockets';
import { describe, expect, it } from 'vitest';
import { ChatEvent, type ChatEventOptions, eventsOf } from './chat-event.decorator.js';
import { RequestFrame } from './request-frame.dto.js';

const OPTIONS: ChatEventOptions = { summary: 'Checks something.', response: 'pong', sentTo: 'the requester' };

describe('eventsOf', () => {
  it('returns the handlers of a gateway with the default options', () => {
    class Gateway {
      @SubscribeMessage('check')
      @ChatEvent(OPTIONS)
      check(): void {}

      other(): void {}
    }
    const requests = { request: RequestFrame, oldRequest: RequestFrame };
    const defaults = { ...requests, isList: false, protocol: 'any', isLarge: false, hasOwnQueue: false, mode: 'query' };
    expect(eventsOf(Gateway)).toEqual([{ ...OPTIONS, ...defaults, type: 'check', method: 'check' }]);
  });

  it('throws for a handler without @ChatEvent', () => {
    class Gateway {
      @SubscribeMessage('check')
      check(): void {}
    }
    expect(() => eventsOf(Gateway)).toThrow('Gateway.check needs both @SubscribeMessage and @ChatEvent');
  });

  it('throws for a handler or gateway with guards, which would have no effect', () => {
    class Guarded {
      @SubscribeMessage('check')
      @ChatEvent(OPTIONS)
      @UseGuards(class {})
      check(): void {}
    }
    @UseGuards(class {})
    class GuardedGateway {
      @SubscribeMessage('check')
      @ChatEvent(OPTIONS)
      check(): void {}
    }
    expect(() => eventsOf(Guarded)).toThrow('do not apply to chat handlers');
    expect(() => eventsOf(GuardedGateway)).toThrow('do not apply to chat handlers');
  });
});
