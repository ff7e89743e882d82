import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Client, Pool } from 'pg';
import { DataSource } from 'typeorm';
import { BusService } from '../../bus/bus.service.js';
import { Clock } from '../../common/clock.provider.js';
import { ADVISORY_LOCKS } from '../../database/advisory-locks.js';
import { DedicatedConnectionService } from '../../database/connections/dedicated-connection.service.js';
import { destroyConnection } from '../../database/connections/destroy-connection.js';
import { POOL } from '../../database/connections/pool.js';

/** Heartbeat interval. After a process was killed, `last_online` of its users is at most this wrong. */
const HEARTBEAT_MS = 5_000;

/** How long a node counts as alive after its last heartbeat. Its users may connect to another node meanwhile. */
const LEASE = '15 seconds';
/** A node whose lock is held is frozen or cut off: its connection to the database may come back. */
const FROZEN = "interval '5 seconds'";

/** The row is committed after its lock is taken. Otherwise other nodes could see it without a lock and delete it. */
const REGISTER_NODE = `with node as (
    insert into chat_nodes (seen_at, lease_until) values ($1, clock_timestamp() + $2::interval) returning id
  )
  select id, pg_advisory_lock(${ADVISORY_LOCKS.chatNodes}, id) from node`;

/** Users stay online while their node gets another id. */
const REPLACE_ID = `with moved as (update presences set node_id = $1 where node_id = $2)
  delete from chat_nodes where id = $2`;

/** Returns whether the lease was still valid; no row if another node has ended it. */
const RENEW_LEASE = `update chat_nodes n set seen_at = $2, lease_until = clock_timestamp() + $3::interval
  from (select coalesce(lease_until > clock_timestamp(), true) as is_valid from chat_nodes where id = $1) as before
  where n.id = $1 returning before.is_valid`;

const IS_DEAD = `case when exists (
    select from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and l.classid = ${ADVISORY_LOCKS.chatNodes} and l.objid = n.id and l.granted
      and d.datname = current_database()
  ) then n.lease_until < clock_timestamp() - ${FROZEN} else coalesce(n.lease_until < clock_timestamp(), true) end`;

const SELECT_DEAD_NODES = `select n.id from chat_nodes n where ${IS_DEAD}`;

/** As `PresenceService`, which records arrivals and departures of the same users: participants first, then nodes. */
const LOCK_USERS_OF_NODES = `select from participants p
  where p.id in (select participant_id from presences where node_id = any ($1)) order by p.id for no key update`;

/** Without nodes that have come back, or that another node is removing. */
const LOCK_DEAD_NODES = `${SELECT_DEAD_NODES} and n.id = any ($1) for update skip locked`;

/**
 * Deletes the nodes $1. Their users were last online at the last heartbeat. Returns the contacts of users who are not connected to
 * any other node.
 */
const DELETE_NODES = `with gone as (
    select s.participant_id, max(n.seen_at) as seen_at from presences s join chat_nodes n on n.id = s.node_id
    where n.id = any ($1) group by s.participant_id
  ), last_online as (
    update participants p set last_online_at = greatest(p.last_online_at, gone.seen_at)
    from gone where p.id = gone.participant_id and p.user_id is not null
  ), deleted as (
    delete from chat_nodes where id = any ($1)
  )
  select c.participant_id as id, u.username, c.contact_id
  from gone join contacts c on c.participant_id = gone.participant_id
  join participants p on p.id = c.participant_id join users u on u.id = p.user_id
  where not exists (
    select from presences s where s.participant_id = gone.participant_id and s.node_id <> all ($1))`;

const idsOf = (rows: { id: number }[]): number[] => rows.map(({ id }) => id);

/** A contact of a user whose presence has changed. */
export interface PresenceChange {
  /** Participant id of the user. */
  id: string;
  username: string;
  contact_id: string;
}

/**
 * Registers this process as a chat node. It holds a lock on its row with the dedicated connection, and renews a lease. When the
 * process ends for any reason, PostgreSQL frees the lock, and once the lease has ended another node removes its presences.
 */
@Injectable()
export class ChatNodeService {
  private readonly log = new Logger(ChatNodeService.name);
  private onRegistered: () => void = () => undefined;
  private onReaped: (changes: PresenceChange[]) => Promise<void> = () => Promise.resolve();
  private client: Client | undefined;
  private previousId: number | null = null;
  private timer: NodeJS.Timeout | undefined;
  /** Null while this node is not registered. */
  id: number | null = null;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
    private readonly bus: BusService,
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

  /** Sets the function that is called with the users who are offline because their node has ended. */
  whenReaped(onReaped: (changes: PresenceChange[]) => Promise<void>): void {
    this.onReaped = onReaped;
  }

  private async register(client: Client): Promise<void> {
    const { rows } = await client.query<{ id: number }>(REGISTER_NODE, [this.clock.date(), this.lease]);
    const { id } = rows[0]!;
    if (this.previousId !== null) await client.query(REPLACE_ID, [id, this.previousId]);
    this.previousId = id;
    this.client = client;
    this.id = id;
    this.timer = setInterval(() => void this.sendHeartbeat(), HEARTBEAT_MS);
    this.onRegistered();
    if (!this.bus.isShared) await this.reap();
  }

  /** Null if this process is the only node: then no user can connect to another node, and a node whose lock is free has ended. */
  private get lease(): string | null {
    return this.bus.isShared ? LEASE : null;
  }

  private async sendHeartbeat(): Promise<void> {
    try {
      const { rows } = await this.pool.query<{ is_valid: boolean }>(RENEW_LEASE, [
        this.id,
        this.clock.date(),
        this.lease,
      ]);
      if (!rows[0]) this.registerAgain();
      // If the own lease had ended, the database or this process did not answer, and the leases of the others may have ended too.
      else if (rows[0].is_valid) await this.reap();
    } catch (error) {
      this.log.warn(`Chat node heartbeat failed (${(error as Error).message}); retrying in ${HEARTBEAT_MS} ms`);
    }
  }

  private async reap(): Promise<void> {
    const dead = idsOf(await this.dataSource.query(SELECT_DEAD_NODES));
    if (dead.length === 0) return;
    const changes = await this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK_USERS_OF_NODES, [dead]);
      const locked = idsOf(await manager.query(LOCK_DEAD_NODES, [dead]));
      return manager.query<PresenceChange[]>(DELETE_NODES, [locked]);
    });
    if (changes.length > 0) await this.onReaped(changes);
  }

  /** Another node has ended the lease. The next dedicated connection registers a new node. */
  private registerAgain(): void {
    const { client } = this;
    this.clear();
    if (client) destroyConnection(client);
  }

  /** If there may be other nodes, one of them removes this one when its lease has ended. */
  private async unregister(client: Client): Promise<void> {
    const { id } = this;
    this.clear();
    if (this.bus.isShared) await client.query(RENEW_LEASE, [id, this.clock.date(), LEASE]);
    else await client.query('delete from chat_nodes where id = $1', [id]);
  }

  private clear(): void {
    clearInterval(this.timer);
    this.id = null;
  }
}
