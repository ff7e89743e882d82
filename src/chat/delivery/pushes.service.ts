import { Injectable } from '@nestjs/common';
import { BusService } from '../../bus/bus.service.js';
import { ConnectionsService } from '../connections/connections.service.js';

const KIND = 'push';
/** Receivers whose ids, of up to 16 digits, fit into the smallest frame of a driver, beside a short text. */
const MAX_RECEIVERS = 400;

interface PushOptions {
  /** Only clients of `machi.v2` get the frame. */
  isV2Only?: boolean;
  /** Slow receivers do not get the frame: it is useless if it arrives late. */
  isEphemeral?: boolean;
}

/**
 * Sends frames to users wherever they are connected. A frame may be lost on the way to another node; clients can read the same
 * data. Messages of conversations take another way, see `FollowedConversationsService`.
 */
@Injectable()
export class PushesService {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly bus: BusService,
  ) {
    bus.onItem(KIND, ([ids, options]: [number[], PushOptions], body) => {
      if (body) this.pushHere(ids, body.toString(), options);
    });
  }

  /** Sends a text frame to all connections of these participants. */
  push(participantIds: number[], text: string, options: PushOptions = {}): void {
    this.pushHere(participantIds, text, options);
    const [first] = participantIds;
    if (!this.bus.isShared || first === undefined) return;
    const body = Buffer.from(text);
    for (let i = 0; i < participantIds.length; i += MAX_RECEIVERS) {
      this.bus.send(first, { kind: KIND, head: [participantIds.slice(i, i + MAX_RECEIVERS), options], body });
    }
  }

  private pushHere(participantIds: number[], text: string, { isV2Only, isEphemeral }: PushOptions): void {
    for (const id of participantIds) {
      for (const connection of this.connections.of(id)) {
        if (isV2Only && !connection.isV2) continue;
        if (isEphemeral) connection.sendEphemeral(text);
        else connection.send(text);
      }
    }
  }
}
