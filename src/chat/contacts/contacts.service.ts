import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS, LOCK_SHARED } from '../../database/advisory-locks.js';
import { returningRows } from '../../database/statements/returning.js';
import { Problem } from '../../http/problems/problem.js';
import { type ChatUser, ChatUsersService } from './chat-users.service.js';
import { ContactRequestsService } from './contact-requests.service.js';
import type { ContactRequestDto } from './contacts.dto.js';

const MAX_LISTED = 1000;

/** $1: participant id, $2: the username after which the page starts. */
const SELECT_PAGE = `select u.username from contacts c
  join participants p on p.id = c.contact_id join users u on u.id = p.user_id
  where c.participant_id = $1 and u.username > $2 order by u.username limit ${MAX_LISTED}`;

const SELECT_NEWEST = `select u.username from (
    select contact_id from contacts where participant_id = $1 order by created_at desc, contact_id desc limit ${MAX_LISTED}
  ) c join participants p on p.id = c.contact_id join users u on u.id = p.user_id order by u.username`;

/** Inserts both directions in the order of ids, so that concurrent inserts neither deadlock nor both succeed. */
const INSERT_CONTACT = `insert into contacts (participant_id, contact_id, created_at)
  select * from (values ($1::bigint, $2::bigint, $3::timestamptz), ($2, $1, $3)) as v (a, b, at) order by a
  on conflict do nothing returning 1`;

/** The foreign key deletes the other direction. The fixed order keeps concurrent deletions from a deadlock. */
const DELETE_CONTACT = `delete from contacts
  where participant_id = least($1::bigint, $2::bigint) and contact_id = greatest($1::bigint, $2::bigint) returning 1`;

const IS_CONTACT = 'select 1 from contacts where participant_id = $1 and contact_id = $2';
const HAS_BLOCKED = 'select 1 from blocks where participant_id = $1 and blocked_id = $2';

/** The result of a contact request: a contact at once, or a request that waits for an answer. */
export type ContactResult = { contact: ChatUser } | { request: ContactRequestDto; recipientId: number };

/** The contacts of users. All methods take the participant id of the caller. */
@Injectable()
export class ContactsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly users: ChatUsersService,
    private readonly requests: ContactRequestsService,
    private readonly clock: Clock,
  ) {}

  /** Returns the usernames of the newest contacts, at most 1,000, in alphabetical order. */
  listNewest(callerId: number): Promise<string[]> {
    return this.listUsernames(SELECT_NEWEST, [callerId]);
  }

  /** Returns at most 1,000 usernames of contacts in alphabetical order, beginning after the given one. */
  list(callerId: number, after: string): Promise<string[]> {
    return this.listUsernames(SELECT_PAGE, [callerId, after]);
  }

  /**
   * Makes the caller and a user contacts without asking the user, as old clients expect. Throws `user_not_found` (also if the
   * user has blocked the caller), `contact_is_self`, `user_blocked`, `already_a_contact`.
   */
  add(callerId: number, username: string): Promise<ChatUser> {
    return this.dataSource.transaction(async (manager) => {
      const contact = await this.getOther(manager, callerId, username);
      await this.requests.create(manager, callerId, contact.id); // waits for a request that is being created
      await this.requests.remove(manager, callerId, contact.id); // always before the contact, to avoid deadlocks
      if (!(await this.insert(manager, callerId, contact.id))) throw new Problem('already_a_contact');
      return contact;
    });
  }

  /**
   * Asks a user to become a contact. They become contacts at once if that user has asked the caller before. Throws as `add`
   * does, and `contact_already_requested`.
   */
  request(callerId: number, username: string): Promise<ContactResult> {
    return this.dataSource.transaction(async (manager) => {
      const recipient = await this.getOther(manager, callerId, username);
      const request = await this.requests.create(manager, callerId, recipient.id);
      // Afterwards: creating it has waited for the other user to accept an earlier one.
      const existing = await manager.query<unknown[]>(IS_CONTACT, [callerId, recipient.id]);
      if (existing.length > 0) throw new Problem('already_a_contact');
      if (request) return { request, recipientId: recipient.id };
      if (!(await this.requests.removeFrom(manager, recipient.id, callerId)))
        throw new Problem('contact_already_requested');
      await this.insert(manager, callerId, recipient.id);
      return { contact: recipient };
    });
  }

  /** Accepts the request of a user. Throws `contact_request_not_found`, and as `add` does. */
  accept(callerId: number, username: string): Promise<ChatUser> {
    return this.dataSource.transaction(async (manager) => {
      const sender = await this.getOther(manager, callerId, username);
      if (!(await this.requests.removeFrom(manager, sender.id, callerId)))
        throw new Problem('contact_request_not_found');
      await this.insert(manager, callerId, sender.id);
      return sender;
    });
  }

  /** Removes a contact, or a contact request in either direction. Throws `contact_not_found`. */
  async remove(callerId: number, otherId: number): Promise<void> {
    const isRemoved = await this.dataSource.transaction((manager) => this.removeIfAny(manager, callerId, otherId));
    if (!isRemoved) throw new Problem('contact_not_found');
  }

  /** Returns whether there was a contact or a request. Removes the request first, which waits for a concurrent acceptance. */
  async removeIfAny(manager: EntityManager, callerId: number, otherId: number): Promise<boolean> {
    const wasRequested = await this.requests.remove(manager, callerId, otherId);
    const removed = await returningRows(manager, DELETE_CONTACT, [callerId, otherId]);
    return wasRequested || removed.length > 0;
  }

  /** The user with this name. No block between the two is added before the transaction ends. */
  private async getOther(manager: EntityManager, callerId: number, username: string): Promise<ChatUser> {
    await manager.query(LOCK_SHARED, [ADVISORY_LOCKS.blocks]);
    const user = await this.users.getNamed(manager, username, callerId);
    if (user.id === callerId) throw new Problem('contact_is_self');
    const blocks = await manager.query<unknown[]>(HAS_BLOCKED, [callerId, user.id]);
    if (blocks.length > 0) throw new Problem('user_blocked');
    return user;
  }

  /** Returns false if the two are contacts already. */
  private async insert(manager: EntityManager, callerId: number, otherId: number): Promise<boolean> {
    const rows = await manager.query<unknown[]>(INSERT_CONTACT, [callerId, otherId, this.clock.date()]);
    return rows.length > 0;
  }

  private async listUsernames(sql: string, values: unknown[]): Promise<string[]> {
    const rows = await this.dataSource.query<{ username: string }[]>(sql, values);
    return rows.map(({ username }) => username);
  }
}
