import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS, LOCK_EXCLUSIVE } from '../../database/advisory-locks.js';
import { insertOrIgnore } from '../../database/statements/insert-or-ignore.js';
import { Problem } from '../../http/problems/problem.js';
import { BLOCKS_QUOTA } from '../../rate-limit/quotas.js';
import { ChatQuotasService } from '../connections/chat-quotas.service.js';
import type { ChatSession } from '../connections/connection.js';
import { ParticipantsService } from '../connections/participants.service.js';
import { ContactsService } from '../contacts/contacts.service.js';
import { ConversationsService } from '../conversations/conversations.service.js';
import { Block } from './block.entity.js';

const MAX_BLOCKS = 1000;

/** $1: participant id, $2: the username after which the page starts, $3: its length. */
const SELECT_PAGE = `select u.username from blocks b
  join participants p on p.id = b.blocked_id join users u on u.id = p.user_id
  where b.participant_id = $1 and u.username > $2 order by u.username limit $3`;

/** The acting user: of the session of a connection, or of an HTTP request. */
type Blocker = Pick<ChatSession, 'user_id' | 'participant_id'>;

/** Creates, lists and removes blocks between users. */
@Injectable()
export class BlocksService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly participants: ParticipantsService,
    private readonly contacts: ContactsService,
    private readonly conversations: ConversationsService,
    private readonly quotas: ChatQuotasService,
    private readonly clock: Clock,
  ) {}

  /** Returns at most `limit` usernames in alphabetical order, beginning after the given one. */
  async list(participantId: number, after: string, limit: number): Promise<string[]> {
    const rows = await this.dataSource.query<{ username: string }[]>(SELECT_PAGE, [participantId, after, limit]);
    return rows.map(({ username }) => username);
  }

  /**
   * Blocks a user; succeeds if the user is blocked already. Removes the contact between both users. The block applies to every
   * message that is appended after the commit. Returns the username. Throws `user_not_found`, `block_is_self`,
   * `too_many_blocks`, `rate_limited`.
   */
  async add({ user_id, participant_id }: Blocker, name: string): Promise<string> {
    await this.quotas.consume(BLOCKS_QUOTA, user_id);
    const { id, username } = await this.participants.getNamed(name);
    if (id === participant_id) throw new Problem('block_is_self');
    const ids = { participant_id: String(participant_id), blocked_id: String(id) };
    await this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK_EXCLUSIVE, [ADVISORY_LOCKS.blocks]);
      if (!(await insertOrIgnore(manager, Block, { ...ids, created_at: this.clock.date() }))) return;
      const count = await manager.countBy(Block, { participant_id: ids.participant_id });
      if (count > MAX_BLOCKS) throw new Problem('too_many_blocks');
      await this.contacts.removeIfAny(manager, participant_id, id);
      await this.conversations.recordBlocks(manager, participant_id, id);
    });
    return username;
  }

  /** Returns the username. Throws `user_not_found`, `block_not_found`, `rate_limited`. */
  async remove({ user_id, participant_id }: Blocker, name: string): Promise<string> {
    await this.quotas.consume(BLOCKS_QUOTA, user_id);
    const { id, username } = await this.participants.getNamed(name);
    const ids = { participant_id: String(participant_id), blocked_id: String(id) };
    await this.dataSource.transaction(async (manager) => {
      const { affected } = await manager.delete(Block, ids);
      if (!affected) throw new Problem('block_not_found');
      await this.conversations.recordBlocks(manager, participant_id, id);
    });
    return username;
  }
}
