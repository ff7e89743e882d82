import { Injectable } from '@nestjs/common';
import { BusService } from './bus.service.js';

const KIND = 'user_event';

/** An event for one user. */
export interface UserEvent {
  user_id: string;
  type: string;
  data: object;
}

type Listener = (event: UserEvent) => void;

/**
 * Publishes events for users to all nodes. Events may be lost while the bus is not reached; clients can read the same data over
 * HTTP.
 */
@Injectable()
export class UserEventsService {
  private readonly listeners: Listener[] = [];

  constructor(private readonly bus: BusService) {
    bus.onItem(KIND, (event: UserEvent) => this.notify(event));
  }

  addListener(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Sends an event. Call it after the commit of the change that the event reports. */
  publish(event: UserEvent): void {
    this.notify(event);
    this.bus.send(keyOf(event.user_id), { kind: KIND, head: event });
  }

  private notify(event: UserEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

/** The last digits of a UUID are random. */
const keyOf = (userId: string): number => Number.parseInt(userId.slice(-7), 16);
