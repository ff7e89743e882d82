import type { Pool } from 'pg';
import { setImmediate } from 'node:timers/promises';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from '../users/profile.js';

/** A live session with its active user and their groups. */
type SessionProfile = Profile & { session_id: string };

/** Sessions, users and rights in one query by primary keys. */
const READ_SESSION_PROFILES = {
  name: 'read_session_profiles',
  text: `select s.id as session_id, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = any($1::uuid[]) and u.is_active`,
};

interface Batch {
  sessionIds: Set<string>;
  profiles: Promise<Map<string, SessionProfile>>;
}

/**
 * Reads the sessions of all requests that arrive in one turn of the event loop with one query: under load, a query per
 * request costs more than the rest of a short request. A query is sent after its requests have arrived, so that a session
 * or a right that was removed before a request is never seen by it.
 */
export class SessionProfiles {
  private next: Batch | undefined;

  constructor(private readonly pool: Pool) {}

  /**
   * The profile of a session; undefined if the session has ended or its user is not active. Requests share it: do not change
   * it.
   */
  async find(sessionId: string): Promise<SessionProfile | undefined> {
    const batch = (this.next ??= this.startBatch());
    batch.sessionIds.add(sessionId);
    return (await batch.profiles).get(sessionId);
  }

  private startBatch(): Batch {
    const sessionIds = new Set<string>();
    return { sessionIds, profiles: this.read(sessionIds) };
  }

  private async read(sessionIds: Set<string>): Promise<Map<string, SessionProfile>> {
    await setImmediate(); // collects the other requests of this turn
    this.next = undefined;
    const { rows } = await this.pool.query<SessionProfile>({ ...READ_SESSION_PROFILES, values: [[...sessionIds]] });
    return new Map(rows.map((row) => [row.session_id, row]));
  }
}
