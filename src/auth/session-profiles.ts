import type { Pool } from 'pg';
import { BatchedQuery } from '../database/statements/batched-query.js';
import { type Profile, PROFILE_COLUMNS, PROFILE_GROUPS } from '../users/profile.js';

/** A live session with its active user and their groups. */
export type SessionProfile = Profile & { session_id: string };

/** Sessions, users and rights in one query by primary keys. */
const READ_SESSION_PROFILES = {
  name: 'read_session_profiles',
  text: `select s.id as session_id, ${PROFILE_COLUMNS}
    from sessions s join users u on u.id = s.user_id ${PROFILE_GROUPS}
    where s.id = any($1::uuid[]) and u.is_active`,
};

/** Finds the profiles of sessions; undefined if a session has ended or its user is not active. */
export const querySessionProfiles = (pool: Pool): BatchedQuery<SessionProfile> =>
  new BatchedQuery<SessionProfile>(pool, READ_SESSION_PROFILES, ({ session_id }) => session_id);
