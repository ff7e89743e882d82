import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Client, type Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/database.module.js';

/** The first key of the advisory locks that nodes hold on their ids. */
const LOCK = 0x6d61_6368;
/** `last_online` is at most this wrong for those whose process was killed. */
const BEAT_MS = 5_000;
const RETRY_MS = 1_000;

/** The row is not seen by others before its lock is held: they would take it for a dead one. */
const ENTER = `with node as (insert into chat_nodes (seen_at) values ($1) returning id)
  select id, pg_advisory_lock(${LOCK}, id) from node`;

/** Nodes whose lock nobody holds are dead; whoever was on them was last online when they last said so. */
const BURY = `with dead as (
    select n.id, n.seen_at from chat_nodes n
    where not exists (
      select from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and l.classid = ${LOCK} and l.objid = n.id and l.granted and d.datname = current_database()
    ) for update skip locked
  ), left_behind as (
    update participants p set last_online_at = greatest(p.last_online_at, dead.seen_at)
    from presences s join dead on dead.id = s.node_id where p.id = s.participant_id
  )
  delete from chat_nodes where id in (select id from dead)`;

/**
 * This process among those that serve the chat. It holds a lock on a connection of its own: when the process ends,
 * however it ends, PostgreSQL frees the lock, and any node can tell whose people are gone.
 */
@Injectable()
export class ChatNodeService implements OnApplicationShutdown {
  private readonly log = new Logger(ChatNodeService.name);
  private client: Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;
  private onEntered: () => void = () => undefined;
  /** Null while the database is away. */
  id: number | null = null;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  /** Takes part from now on; `onEntered` is called again whenever it had been lost, under another id. */
  async enter(onEntered: () => void): Promise<void> {
    this.onEntered = onEntered;
    await this.connect();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    const { client } = this;
    await client?.query('delete from chat_nodes where id = $1', [this.id]).catch(() => undefined);
    void client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const { options } = this.pool;
    const client = new Client({ ...options, password: options.password, application_name: 'machi chat node' });
    client.on('error', () => undefined); // "end" follows
    client.on('end', () => this.lost(client));
    this.client = client;
    try {
      await client.connect();
      const { rows } = await client.query<{ id: number }>(ENTER, [this.clock.date()]);
      await client.query(BURY);
      this.id = rows[0]!.id;
      this.after(BEAT_MS, () => this.beat(client));
      this.onEntered();
    } catch (error) {
      this.log.warn(`presence is not kept (${(error as Error).message}): trying again`);
      void client.end().catch(() => undefined); // a dead line would not take a farewell
      this.lost(client);
    }
  }

  private async beat(client: Client): Promise<void> {
    try {
      await client.query('update chat_nodes set seen_at = $2 where id = $1', [this.id, this.clock.date()]);
      await client.query(BURY);
      if (this.client === client) this.after(BEAT_MS, () => this.beat(client));
    } catch {
      void client.end().catch(() => undefined); // a dead line would not take a farewell
      this.lost(client);
    }
  }

  private lost(client: Client): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.id = null;
    this.after(RETRY_MS, () => this.connect());
  }

  private after(ms: number, task: () => Promise<void>): void {
    clearTimeout(this.timer);
    if (!this.isStopping) this.timer = setTimeout(() => void task(), ms);
  }
}
