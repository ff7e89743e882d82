import { setImmediate } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { LooseBody } from '../api/api-body.js';
import type { SignedInUser, TestApp } from '../app.js';
import { call } from '../files/images.js';
import type { StatementRecorder } from '../statements/statement-recorder.js';

interface Options {
  token?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** The first page of a list, and one of 50 items after it. */
export interface ListedPages {
  path: string;
  sizes: [one: number, many: number];
  /** How many statements the two requests have sent. */
  statements: [one: number, many: number];
}

/** Sends requests one by one, each of which must succeed, and keeps what the recorder has seen of lists. */
export class Walker {
  readonly lists: ListedPages[] = [];

  constructor(
    readonly t: TestApp,
    readonly recorder: StatementRecorder,
    /** The first row of a query, over a connection that is not recorded. */
    readonly queryRow: <Row>(sql: string, values?: unknown[]) => Promise<Row>,
    /** A user with many rows of each kind, see bench/large-database/accounts.sql. */
    readonly person: SignedInUser,
    readonly admin: string,
  ) {}

  async send(method: string, path: string, options: Options = {}): Promise<LooseBody> {
    const { status, body, text } = await this.t.request(method, path as '/', options);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`);
    await this.settle();
    return body;
  }

  get(path: string, token: string | undefined = this.person.token): Promise<LooseBody> {
    return this.send('GET', path, token === '' ? {} : { token });
  }

  /** Sends something else than JSON. Returns the status and the parsed body. */
  async sendRaw(method: string, path: string, token: string | undefined, init: RequestInit = {}): Promise<LooseBody> {
    const { status, body } = await call(this.t, method, path, token, init);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    await this.settle();
    return body;
  }

  /** Reads one item of a list, and then 50 with the cursor behind it. */
  async list(path: string, token: string | undefined = this.person.token): Promise<void> {
    const first = await this.page(path, 1, token);
    if (!first.cursor) throw new Error(`${path} has one page only`);
    const second = await this.page(`${path}${path.includes('?') ? '&' : '?'}cursor=${first.cursor}`, 50, token);
    this.lists.push({
      path,
      sizes: [first.size, second.size],
      statements: [first.statements, second.statements],
    });
  }

  private async page(path: string, limit: number, token: string | undefined) {
    const name = path.includes('/fhir/') ? '_count' : 'limit';
    const body = await this.get(`${path}${path.includes('?') ? '&' : '?'}${name}=${limit}`, token);
    const items = (body['items'] ?? body['entry']) as unknown[];
    const { statements } = this.recorder.requests.at(-1)!;
    return { cursor: body['next_cursor'] as string | null, size: items.length, statements: statements.length };
  }

  /** Waits until no connection of the pool is in use: for what requests have started and not waited for. */
  async settle(): Promise<void> {
    const { master } = this.t.dataSource.driver as unknown as { master: Pool };
    do await setImmediate();
    while (master.idleCount < master.totalCount || master.waitingCount > 0);
  }
}
