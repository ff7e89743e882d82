import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/connections/pool.js';
import { Problem } from '../../http/problems/problem.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { PushesService } from '../delivery/pushes.service.js';
import { successText } from '../protocol/responses.js';
import type { MessageReadDto, ReadPositionDto, UserTypingDto } from './sync.dto.js';

/** In larger conversations, neither typing nor reading is sent to the members: there would be too many frames. */
const MAX_MEMBERS = 100;
const TYPING_INTERVAL_MS = 3_000;

/** $1: conversation, $2: participant id, $3: message. The position of a concurrent send is not overwritten by an older one. */
const MARK_READ = `with member as (
    select m.read_sequence, m.read_message_id, m.joined_after_id, c.last_sequence
    from conversation_members m join conversations c on c.id = m.conversation_id
    where m.conversation_id = $1 and m.participant_id = $2
  ), target as (
    select x.id, x.sequence from messages x join member on x.id > member.joined_after_id
    where x.conversation_id = $1 and x.id = $3
  ), moved as (
    update conversation_members m set read_sequence = t.sequence, read_message_id = t.id
    from target t where m.conversation_id = $1 and m.participant_id = $2 and m.read_sequence < t.sequence
    returning m.read_sequence, m.read_message_id
  )
  select t.id is not null as is_found, moved.read_sequence is not null as is_moved,
    coalesce(moved.read_message_id, member.read_message_id) as read_message_id,
    greatest(member.last_sequence - coalesce(moved.read_sequence, member.read_sequence), 0) as unread_count
  from member left join target t on true left join moved on true`;

/**
 * Members ($1: conversation) who may know what the caller ($2) does: none of the two has blocked the other. A row for the caller,
 * without companions in a large conversation; none if the caller is not a member.
 */
const SELECT_COMPANIONS = `select u.username, array(
    select m.participant_id from conversation_members m
    where m.conversation_id = c.id and c.members_count <= ${MAX_MEMBERS} and not exists (
      select from blocks b where b.participant_id = m.participant_id and b.blocked_id = o.participant_id
    ) and not exists (
      select from blocks b where b.participant_id = o.participant_id and b.blocked_id = m.participant_id
    )
  ) as companions
  from conversation_members o join conversations c on c.id = o.conversation_id
  join participants p on p.id = o.participant_id join users u on u.id = p.user_id
  where o.conversation_id = $1 and o.participant_id = $2`;

/** What members do without writing: reading, which is stored as one position for each member, and typing, which is not stored. */
@Injectable()
export class ReadPositionsService {
  /** When the typing of a participant was last sent, by participant and conversation. */
  private readonly typing = new Map<string, number>();

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly pushes: PushesService,
    private readonly clock: Clock,
    connections: ConnectionsService,
  ) {
    connections.addListener({ onTick: (now) => this.forgetTyping(now) });
  }

  /**
   * Marks the messages up to this one as read and tells the members. A message before the position changes nothing. Throws
   * `conversation_not_found`, `message_not_found`.
   */
  async markRead(participantId: number, conversationId: number, messageId: number): Promise<ReadPositionDto> {
    type Row = { is_found: boolean; is_moved: boolean; read_message_id: string; unread_count: string };
    const { rows } = await this.pool.query<Row>(MARK_READ, [conversationId, participantId, messageId]);
    const [row] = rows;
    if (!row) throw new Problem('conversation_not_found');
    if (!row.is_found) throw new Problem('message_not_found');
    if (row.is_moved) {
      await this.push(participantId, conversationId, 'message_read', (username): MessageReadDto => ({
        conversation_id: conversationId,
        username,
        message_id: messageId,
      }));
    }
    const read_message_id = Number(row.read_message_id);
    return { conversation_id: conversationId, read_message_id, unread_count: Number(row.unread_count) };
  }

  /** Tells the other members that a user is writing, at most every 3 seconds. Throws `conversation_not_found`. */
  async noteTyping(participantId: number, conversationId: number): Promise<void> {
    const key = `${participantId}:${conversationId}`;
    const now = this.clock.now();
    if (Math.abs(now - (this.typing.get(key) ?? -Infinity)) < TYPING_INTERVAL_MS) return; // the clock may have been set back
    await this.push(participantId, conversationId, 'user_typing', (username): UserTypingDto => ({
      conversation_id: conversationId,
      username,
    }));
    this.typing.set(key, now);
  }

  private async push(
    participantId: number,
    conversationId: number,
    type: 'message_read' | 'user_typing',
    data: (username: string) => object,
  ): Promise<void> {
    type Row = { username: string; companions: string[] };
    const { rows } = await this.pool.query<Row>(SELECT_COMPANIONS, [conversationId, participantId]);
    const [row] = rows;
    if (!row) throw new Problem('conversation_not_found');
    const isTyping = type === 'user_typing';
    const receivers = row.companions.map(Number).filter((id) => !isTyping || id !== participantId);
    this.pushes.push(receivers, successText(type, data(row.username)), { isV2Only: true, isEphemeral: true });
  }

  private forgetTyping(now: number): void {
    for (const [key, at] of this.typing) if (Math.abs(now - at) >= TYPING_INTERVAL_MS) this.typing.delete(key);
  }
}
