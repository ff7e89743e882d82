import { Injectable, Logger } from '@nestjs/common';
import { BusService } from '../../bus/bus.service.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { FollowedConversationsService } from './followed-conversations.service.js';
import { GapRepairService } from './gap-repair.service.js';

const KIND = 'events';

/** A stored event of a conversation that is no message, as a text frame for clients of `machi.v2`. */
export interface StoredEvent {
  revision: number;
  /** Participant ids. */
  receivers: number[];
  text: string;
}

/** Reads the events of a conversation after a revision, by revision; at most some of them. */
type EventReader = (conversationId: number, after: number) => Promise<StoredEvent[]>;

/**
 * Sends the events of conversations to members on all nodes. They are read from the database on each node: revisions are assigned
 * under the lock of the conversation, so that what is stored after the last delivered event is exactly what is missing.
 */
@Injectable()
export class EventDeliveryService {
  private readonly log = new Logger(EventDeliveryService.name);
  private readonly running = new Map<number, Promise<void>>();
  private readonly again = new Set<number>();
  private read: EventReader = () => Promise.resolve([]);

  constructor(
    private readonly bus: BusService,
    private readonly connections: ConnectionsService,
    private readonly followed: FollowedConversationsService,
    private readonly repair: GapRepairService,
  ) {
    bus.onItem(KIND, (conversationId: number) => void this.catchUp(conversationId, true));
    followed.onEventRevisions((conversationId) => void this.catchUp(conversationId, false));
  }

  /** Sets the function that reads events. To be called in a constructor. */
  readWith(read: EventReader): void {
    this.read = read;
  }

  /** Sends the events of a conversation after a revision. To be called after their commit. Never rejects. */
  async deliver(conversationId: number, after: number): Promise<void> {
    if (this.bus.isShared) {
      this.bus.send(conversationId, { kind: KIND, head: conversationId });
      return this.catchUp(conversationId, true);
    }
    return this.logFailure(conversationId, async () => {
      for (const event of await this.read(conversationId, after)) this.push(event);
    });
  }

  /** Sends what was not sent yet; `isAfterMessages`: after the messages before it. Concurrent calls are combined. */
  private catchUp(conversationId: number, isAfterMessages: boolean): Promise<void> {
    const running = this.running.get(conversationId);
    if (running) {
      this.again.add(conversationId);
      return running;
    }
    const run = this.logFailure(conversationId, async () => {
      do {
        this.again.delete(conversationId);
        if (isAfterMessages) await this.repair.repair([conversationId]);
        await this.sendNew(conversationId);
      } while (this.again.has(conversationId));
    }).finally(() => this.running.delete(conversationId));
    this.running.set(conversationId, run);
    return run;
  }

  private async sendNew(conversationId: number): Promise<void> {
    for (;;) {
      const after = this.followed.eventRevisionOf(conversationId);
      if (after === undefined) return;
      const events = await this.read(conversationId, after);
      if (events.length === 0) return;
      for (const event of events) {
        this.push(event);
        this.followed.advanceEvents(conversationId, event.revision);
      }
    }
  }

  private push({ receivers, text }: StoredEvent): void {
    for (const id of receivers) {
      for (const connection of this.connections.of(id)) if (connection.isV2) connection.send(text);
    }
  }

  private async logFailure(conversationId: number, work: () => Promise<void>): Promise<void> {
    await work().catch((error: Error) => {
      this.log.warn(
        `Sending events of conversation ${conversationId} failed (${error.message}); clients get them by resume`,
      );
    });
  }
}
