import { Injectable } from '@nestjs/common';
import type { ChatEvent } from '../protocol/event.js';
import { RequestFrame } from '../protocol/request.dto.js';

@Injectable()
export class Ping implements ChatEvent {
  static readonly summary = 'Whether the connection works.';
  static readonly request = RequestFrame;
  static readonly data = 'pong';
  static readonly sentTo = 'the requester';

  handle(): string {
    return 'pong';
  }
}
