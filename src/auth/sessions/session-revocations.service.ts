import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DedicatedConnectionService } from '../../database/connections/dedicated-connection.service.js';
import { POOL } from '../../database/connections/pool.js';

/** The trigger `notify_session_ended` on `sessions` sends the id of each deleted session to this channel. */
const CHANNEL = 'session_ended';

const SELECT_REVOKED = 'select id from unnest($1::uuid[]) as active (id) except select id from sessions';

/** A long-lived consumer of sessions, such as a WebSocket connection. */
export interface RevocationListener {
  /** The ids of the sessions that are in use now. */
  sessions(): Iterable<string>;
  /** Called with the id of each revoked session, in use or not. */
  onRevoked(sessionId: string): void;
}

/**
 * Notifies listeners on every node when a session is revoked, after the revoking transaction commits. Revocations missed
 * while the connection was down are found by a query after reconnecting.
 */
@Injectable()
export class SessionRevocationsService {
  private readonly listeners = new Set<RevocationListener>();

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    connection: DedicatedConnectionService,
  ) {
    connection.listen(CHANNEL, {
      onNotification: (sessionId) => this.notify([sessionId]),
      onListening: () => this.notifyMissed(),
    });
  }

  /** Returns a function that removes the listener. */
  addListener(listener: RevocationListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async notifyMissed(): Promise<void> {
    const active = [...this.listeners].flatMap((listener) => [...listener.sessions()]);
    if (active.length === 0) return;
    const { rows } = await this.pool.query<{ id: string }>(SELECT_REVOKED, [active]);
    this.notify(rows.map(({ id }) => id));
  }

  private notify(sessionIds: string[]): void {
    for (const listener of this.listeners) for (const id of sessionIds) listener.onRevoked(id);
  }
}
