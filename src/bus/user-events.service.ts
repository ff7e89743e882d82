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

/** Tells all nodes about events for users. Events may be lost while the bus is not reached: what they tell can also be read. */
@Injectable()
export class UserEventsService {
  private readonly listeners: Listener[] = [];

  constructor(private readonly bus: BusService) {
    bus.onItem(KIND, (event: UserEvent) => this.notify(event));
  }

  addListener(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Sends an event. To be called after the commit of what it tells. */
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
