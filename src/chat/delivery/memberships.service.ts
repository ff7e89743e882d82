import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { BatchedQuery } from '../../database/statements/batched-query.js';
import { POOL } from '../../database/connections/pool.js';

/** $1: participant ids, $2: the number of partitions, $3: only conversations of this partition, or null. */
const SELECT = `select m.participant_id as id, array_agg(c.id::float8) as conversation_ids, array_agg(c.revision::float8) as revisions
  from conversation_members m join conversations c on c.id = m.conversation_id
  where m.participant_id = any ($1::bigint[])`;
const GROUP = 'group by m.participant_id';

/** $1, $2: participants and conversations, in pairs. */
const SELECT_JOINED = `select m.participant_id::float8, c.id::float8 as conversation_id, c.name, m.created_at = c.created_at as is_creation,
    m.joined_revision::float8 as revision,
    (select json_agg(u.username order by u.username) from conversation_members o
      join participants p on p.id = o.participant_id join users u on u.id = p.user_id
      where o.conversation_id = c.id) as members
  from unnest($1::bigint[], $2::bigint[]) as k (participant_id, conversation_id)
  join conversation_members m using (participant_id, conversation_id)
  join conversations c on c.id = m.conversation_id`;

/** $1, $2: conversations and revisions, in pairs. */
const SELECT_JOINED_AFTER = `select m.conversation_id::float8, m.participant_id::float8, m.joined_revision::float8 as revision
  from unnest($1::bigint[], $2::bigint[]) as k (id, revision)
  join conversation_members m on m.conversation_id = k.id and m.joined_revision > k.revision`;

/** A participant's conversations and their revisions, in one order. */
export interface MembershipRow {
  id: string;
  conversation_ids: number[];
  revisions: number[];
}

/** A membership whose announcement did not reach this node. */
export interface JoinedRow {
  participant_id: number;
  conversation_id: number;
  name: string;
  /** Whether the participant is a member since the conversation was created. */
  is_creation: boolean;
  /** The revision before that. */
  revision: number;
  /** Usernames. */
  members: string[] | null;
}

type JoinedAfterRow = Pick<JoinedRow, 'participant_id' | 'conversation_id' | 'revision'>;

/** Reads of which conversations participants are members. */
@Injectable()
export class MembershipsService {
  private readonly batched: BatchedQuery<MembershipRow>;

  constructor(@Inject(POOL) private readonly pool: Pool) {
    const query = { name: 'chat-memberships', text: `${SELECT} ${GROUP}` };
    this.batched = new BatchedQuery(pool, query, ({ id }) => id);
  }

  /** Undefined if the participant is in no conversation. Concurrent calls share a query. */
  find(participantId: number): Promise<MembershipRow | undefined> {
    return this.batched.find(String(participantId));
  }

  /** The conversations of these participants; if given, only those whose id has this remainder. */
  async list(participantIds: number[], part?: { remainder: number; divisor: number }): Promise<MembershipRow[]> {
    const where = part ? `and c.id % $2 = $3` : '';
    const values = part ? [participantIds, part.divisor, part.remainder] : [participantIds];
    return (await this.pool.query<MembershipRow>(`${SELECT} ${where} ${GROUP}`, values)).rows;
  }

  /** The given memberships, as pairs of participant and conversation. */
  async listJoined(pairs: [participantId: number, conversationId: number][]): Promise<JoinedRow[]> {
    const values = [pairs.map(([id]) => id), pairs.map(([, id]) => id)];
    return (await this.pool.query<JoinedRow>(SELECT_JOINED, values)).rows;
  }

  /** Who has become a member of these conversations after the given revisions, and the revisions before that. */
  async listJoinedAfter(after: [conversationId: number, revision: number][]): Promise<JoinedAfterRow[]> {
    const values = [after.map(([id]) => id), after.map(([, revision]) => revision)];
    return (await this.pool.query<JoinedAfterRow>(SELECT_JOINED_AFTER, values)).rows;
  }
}
