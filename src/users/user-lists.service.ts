import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { Repository } from 'typeorm';
import { FairQueue } from '../common/concurrency/fair-queue.js';
import { SharedRuns } from '../common/concurrency/shared-runs.js';
import { POOL } from '../database/connections/pool.js';
import { JsonText } from '../http/json-text.js';
import { readCursor, toCursor } from '../http/pagination.dto.js';
import { unavailable } from '../http/problems/problem.js';
import { fairShareOf } from '../rate-limit/client-network.js';
import type { Caller } from './caller.js';
import { type ListRow, type PageOfUsers, toPagesStatement, toSearchStatement } from './list-statement.js';
import { User } from './user.entity.js';
import { USERNAME, type UsersPageDto, type UsersQueryDto } from './users.dto.js';

const MAX_WAITING_SEARCHES = 100;
/** One connection reads them one after the other. */
const MAX_PAGES_PER_QUERY = 20;

/** Lists and searches users. */
@Injectable()
export class UserListsService {
  /** A search for one or two letters reads the whole table, so searches may use four connections at most. */
  private readonly searches = new FairQueue({
    concurrency: 4,
    maxWaiting: MAX_WAITING_SEARCHES,
    onFull: () => unavailable('busy'),
  });

  /** Clients that ask for pages at the same time share a query, and those that ask for the same page its text. */
  private readonly pages = {
    ofActive: new SharedRuns((keys: Set<string>) => this.readPages(keys, false)),
    ofAll: new SharedRuns((keys: Set<string>) => this.readPages(keys, true)),
  };

  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  /**
   * Lists users in the order of their usernames; deactivated users for administrators only. Throws `invalid_cursor`, and
   * `busy` when too many searches are waiting.
   */
  async list(caller: Caller, { q, limit, cursor }: UsersQueryDto): Promise<JsonText<UsersPageDto>> {
    const page: PageOfUsers = { after: readCursor(cursor, (key) => USERNAME.test(key)) ?? '', limit };
    const { admin } = caller.permissions;
    if (q !== undefined) return this.searches.run(fairShareOf(caller.id), () => this.search(q, page, admin));
    const key = JSON.stringify(page);
    return (await this.pages[admin ? 'ofAll' : 'ofActive'].join(key)).get(key)!;
  }

  private async search(term: string, page: PageOfUsers, withInactive: boolean): Promise<JsonText<UsersPageDto>> {
    const { rows } = await this.pool.query<ListRow>(toSearchStatement(term, page, withInactive));
    return toPageText(rows[0]!);
  }

  /** Pages by their keys. */
  private async readPages(keys: Set<string>, withInactive: boolean): Promise<Map<string, JsonText<UsersPageDto>>> {
    const pages = new Map<string, JsonText<UsersPageDto>>();
    const read = async (some: string[]): Promise<void> => {
      const statement = toPagesStatement(
        some.map((key) => JSON.parse(key) as PageOfUsers),
        withInactive,
      );
      const { rows } = await this.pool.query<ListRow & { n: number }>(statement);
      for (const row of rows) pages.set(some[row.n - 1]!, toPageText(row));
    };
    const all = [...keys];
    const queries = Math.ceil(all.length / MAX_PAGES_PER_QUERY);
    const part = (i: number): string[] => all.slice(i * MAX_PAGES_PER_QUERY, (i + 1) * MAX_PAGES_PER_QUERY);
    await Promise.all(Array.from({ length: queries }, (_, i) => read(part(i))));
    return pages;
  }

  /**
   * Users in the order of their usernames, from an offset on, and how many there are; deactivated users for administrators
   * only. Throws `busy` when too many searches are waiting.
   */
  async listByOffset(
    caller: Caller,
    offset: number,
    limit: number,
  ): Promise<{ count: number; users: Pick<User, 'id' | 'username'>[] }> {
    const where = caller.permissions.admin ? {} : { is_active: true };
    const [users, count] = await this.searches.run(fairShareOf(caller.id), () =>
      this.users.findAndCount({
        select: { id: true, username: true },
        where,
        order: { username: 'ASC' },
        skip: offset,
        take: limit,
      }),
    );
    return { count, users };
  }
}

function toPageText({ items, last_username }: ListRow): JsonText<UsersPageDto> {
  const next_cursor = last_username === null ? null : toCursor(last_username);
  return new JsonText(`{"items":[${items}],"next_cursor":${JSON.stringify(next_cursor)}}`);
}
