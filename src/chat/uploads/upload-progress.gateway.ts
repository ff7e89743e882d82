import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type UserEvent, UserEventsService } from '../../bus/user-events.service.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { ChatEvent } from '../protocol/chat-event.decorator.js';
import { CHAT_PATH } from '../protocol/path.js';
import { successText } from '../protocol/responses.js';
import { MACHI_V2 } from '../protocol/subprotocol.js';
import { type UploadProgressDto, WatchingUploadsDto } from './upload-progress.dto.js';

/** Sends the progress of uploads to the connections of their user that have asked for it. */
@WebSocketGateway({ path: CHAT_PATH })
export class UploadProgressGateway {
  private readonly watching = new Map<string, Set<Connection>>();

  constructor(connections: ConnectionsService, events: UserEventsService) {
    events.addListener((event) => this.push(event));
    connections.addListener({ onTick: () => this.forgetClosed() });
  }

  @SubscribeMessage('watch_uploads')
  @ChatEvent({
    summary: 'Asks for `upload_progress` frames about the caller’s uploads, on this connection.',
    response: WatchingUploadsDto,
    protocol: MACHI_V2,
    mode: 'immediate',
    sentTo: 'the requester',
  })
  watch(connection: Connection): WatchingUploadsDto {
    const { user_id } = connection.session;
    const connections = this.watching.get(user_id);
    if (connections) connections.add(connection);
    else this.watching.set(user_id, new Set([connection]));
    return { is_watching: true };
  }

  private push({ user_id, type, data }: UserEvent): void {
    const connections = this.watching.get(user_id);
    if (type !== 'upload_progress' || !connections) return;
    const text = successText(type, data);
    const isLast = (data as UploadProgressDto).state !== 'committing';
    for (const connection of connections) {
      if (!connection.isOpen) continue;
      if (isLast) connection.send(text);
      else connection.sendEphemeral(text);
    }
  }

  private forgetClosed(): void {
    for (const [userId, connections] of this.watching) {
      for (const connection of connections) if (!connection.isOpen) connections.delete(connection);
      if (connections.size === 0) this.watching.delete(userId);
    }
  }
}
