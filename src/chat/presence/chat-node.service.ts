import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Client, Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS } from '../../database/advisory-locks.js';
import { DedicatedConnectionService } from '../../database/dedicated-connection.service.js';
import { POOL } from '../../database/pool.js';

/** Heartbeat interval. After a process was killed, `last_online` of its users is at most this wrong. */
const HEARTBEAT_MS = 5_000;

/** The row is committed after its lock is taken. Otherwise other nodes could see it without a lock and delete it. */
const REGISTER_NODE = `with node as (insert into chat_nodes (seen_at) values ($1) returning id)
  select id, pg_advisory_lock(${ADVISORY_LOCKS.chatNodes}, id) from node`;

/** Deletes nodes whose lock is free, because their process is dead. Their users were last online at the last heartbeat. */
const REAP_DEAD_NODES = `with dead as (
    select n.id, n.seen_at from chat_nodes n
    where not exists (
      select from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and l.classid = ${ADVISORY_LOCKS.chatNodes} and l.objid = n.id and l.granted
        and d.datname = current_database()
    ) for update skip locked
  ), last_online as (
    update participants p set last_online_at = greatest(p.last_online_at, dead.seen_at)
    from presences s join dead on dead.id = s.node_id where p.id = s.participant_id
  )
  delete from chat_nodes where id in (select id from dead)`;

const RECORD_HEARTBEAT = 'update chat_nodes set seen_at = $2 where id = $1';

/**
 * Registers this process as a chat node. It holds a lock on its row with the dedicated connection: when the process ends for
 * any reason, PostgreSQL frees the lock, and the other nodes can remove its presences.
 */
@Injectable()
export class ChatNodeService {
  private readonly log = new Logger(ChatNodeService.name);
  private onRegistered: () => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Null while this node is not registered. */
  id: number | null = null;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly clock: Clock,
    connection: DedicatedConnectionService,
  ) {
    connection.hold({
      operation: 'Registering chat node',
      onConnected: (client) => this.register(client),
      onLost: () => this.clear(),
      onClosing: (client) => this.unregister(client),
    });
  }

  /** Sets the function that is called after each registration. Every registration has a new id. */
  whenRegistered(onRegistered: () => void): void {
    this.onRegistered = onRegistered;
  }

  private async register(client: Client): Promise<void> {
    const { rows } = await client.query<{ id: number }>(REGISTER_NODE, [this.clock.date()]);
    await client.query(REAP_DEAD_NODES);
    this.id = rows[0]!.id;
    this.timer = setInterval(() => void this.sendHeartbeat(), HEARTBEAT_MS);
    this.onRegistered();
  }

  private async sendHeartbeat(): Promise<void> {
    try {
      await this.pool.query(RECORD_HEARTBEAT, [this.id, this.clock.date()]);
      await this.pool.query(REAP_DEAD_NODES);
    } catch (error) {
      this.log.warn(`Chat node heartbeat failed (${(error as Error).message}); retrying in ${HEARTBEAT_MS} ms`);
    }
  }

  private async unregister(client: Client): Promise<void> {
    const { id } = this;
    this.clear();
    await client.query('delete from chat_nodes where id = $1', [id]);
  }

  private clear(): void {
    clearInterval(this.timer);
    this.id = null;
  }
}
