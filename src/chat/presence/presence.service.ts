import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { BusService } from '../../bus/bus.service.js';
import { Clock } from '../../common/clock.provider.js';
import { afterCommit } from '../../database/after-commit.js';
import { type ConnectionListener, ConnectionsService } from '../connections/connections.service.js';
import { PushesService } from '../delivery/pushes.service.js';
import { successText } from '../protocol/responses.js';
import { ChatNodeService, type PresenceChange } from './chat-node.service.js';
import type { UserStatusDto } from './user-status.dto.js';

/** Time to reconnect after a connection broke, before the user is offline. */
const GRACE_MS = 5_000;
const MAX_BATCH = 1000;

/** The contacts of these participants, if they are not connected to any node other than $2. A node without a lease is an old one. */
const selectContacts = (participants: string): string => `select c.participant_id as id, u.username, c.contact_id
  from contacts c join participants p on p.id = c.participant_id join users u on u.id = p.user_id
  where c.participant_id in (${participants}) and not exists (
    select from presences s join chat_nodes n on n.id = s.node_id
    where s.participant_id = c.participant_id and s.node_id <> $2 and (n.lease_until > clock_timestamp()) is not false)`;

/** The contacts of a user ($1) who is connected to any node. */
const SELECT_CONTACTS_OF_ONLINE_USER = `select p.id, u.username, c.contact_id
  from participants p join users u on u.id = p.user_id join contacts c on c.participant_id = p.id
  where p.user_id = $1 and exists (select from presences s where s.participant_id = p.id)`;

const SELECT_ONLINE = 'select distinct participant_id as id from presences where participant_id = any ($1)';

/**
 * Other nodes that record a change of the same participants wait for the end of the transaction. The next statement thus sees
 * what they have recorded. Without it, two nodes that a user leaves at once would each see the presence on the other one, and
 * notify no contact.
 */
const LOCK_PARTICIPANTS = 'select from participants where id = any ($1) order by id for no key update';

/**
 * Records and selects in one statement: later contacts get no notice of earlier changes. $3: participants that this node has
 * recorded under its id of before. Their contacts are told only if another node has removed them meanwhile, and said so.
 */
const RECORD_ARRIVALS = `with arrived as (
    insert into presences (participant_id, node_id) select id, $2 from unnest($1::bigint[] || $3::bigint[]) as id
    on conflict do nothing returning participant_id
  ) ${selectContacts('select unnest($1::bigint[]) union select participant_id from arrived')}`;

const RECORD_DEPARTURES = `with departed as (
    delete from presences where node_id = $2 and participant_id = any ($1)
  ), last_online as (
    update participants set last_online_at = $3 where id = any ($1) and user_id is not null
  ) ${selectContacts('select unnest($1::bigint[])')}`;

/**
 * Records which users are online and notifies their connected contacts. Changes are written in batches, one at a time. A
 * change that is reversed before it is written is not written.
 */
@Injectable()
export class PresenceService implements ConnectionListener, BeforeApplicationShutdown {
  private readonly log = new Logger(PresenceService.name);
  /** Participants recorded as online on this node. */
  private readonly recorded = new Set<number>();
  /** Participants whose last connection broke, and the end of their grace period. */
  private readonly leaving = new Map<number, number>();
  private readonly changed = new Set<number>();
  /** Whether the database has the presences of this node under its current id. */
  private isNodeRecorded = true;
  private isShuttingDown = false;
  private isRunning = false;
  private running: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly connections: ConnectionsService,
    private readonly node: ChatNodeService,
    private readonly pushes: PushesService,
    private readonly clock: Clock,
    private readonly bus: BusService,
  ) {
    connections.addListener(this);
    node.whenReaped((changes) => this.notifyOffline(changes));
    node.whenRegistered(() => {
      this.isNodeRecorded = false;
      this.start();
    });
  }

  /** The id of this node; null while it is not registered. */
  get nodeId(): number | null {
    return this.node.id;
  }

  /** Whether the participant is connected to this node, or within the grace period. */
  isOnlineHere(participantId: number): boolean {
    return this.connections.isConnected(participantId) || this.leaving.has(participantId);
  }

  onConnected(participantId: number): void {
    this.leaving.delete(participantId);
    this.markChanged(participantId);
  }

  onDisconnected(participantId: number, isClean: boolean): void {
    if (this.connections.isConnected(participantId) || (this.isShuttingDown && this.bus.isShared)) return;
    if (isClean) this.markChanged(participantId);
    else this.leaving.set(participantId, this.clock.now() + GRACE_MS);
  }

  onTick(now: number): void {
    for (const [id, until] of this.leaving) {
      if (now < until && until <= now + GRACE_MS) continue; // later ends are from before the clock was set back
      this.leaving.delete(id);
      this.markChanged(id);
    }
    if (this.hasWork) this.start();
  }

  /**
   * To be called in the transaction that deletes a user, whose contacts and name are gone when the connections are closed. The
   * contacts are told that the user is offline.
   */
  async announceDeletion(manager: EntityManager, userId: string): Promise<void> {
    const changes = await manager.query<PresenceChange[]>(SELECT_CONTACTS_OF_ONLINE_USER, [userId]);
    afterCommit(manager, () => this.notify(changes, false));
  }

  beforeApplicationShutdown(): void {
    this.isShuttingDown = true;
  }

  /**
   * Records all departures before the node stops. If there may be other nodes, users have until the end of the lease to connect to
   * one of them.
   */
  async onAllClosed(): Promise<void> {
    if (this.bus.isShared) return;
    for (const id of this.leaving.keys()) this.changed.add(id);
    this.leaving.clear();
    this.start();
    await this.running;
  }

  private get hasWork(): boolean {
    return this.changed.size > 0 || !this.isNodeRecorded;
  }

  private markChanged(participantId: number): void {
    this.changed.add(participantId);
    this.start();
  }

  private start(): void {
    if (!this.isRunning) this.running = this.run();
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    await Promise.resolve(); // changes of the same tick form one batch
    while (this.hasWork && this.node.id !== null) {
      const batch = [...this.changed].slice(0, MAX_BATCH);
      for (const id of batch) this.changed.delete(id);
      try {
        await this.record(batch, this.node.id);
      } catch (error) {
        this.log.warn(`Recording presence failed (${(error as Error).message}); retrying`);
        for (const id of batch) this.changed.add(id);
        break; // until the next tick
      }
    }
    this.isRunning = false;
  }

  private async record(batch: number[], nodeId: number): Promise<void> {
    const arrived = batch.filter((id) => this.isOnlineHere(id) && !this.recorded.has(id));
    const departed = batch.filter((id) => !this.isOnlineHere(id) && this.recorded.has(id));
    const unrecorded = this.isNodeRecorded ? [] : [...this.recorded];
    if (arrived.length > 0 || unrecorded.length > 0) {
      const changing = [...arrived, ...unrecorded];
      const arrivals = await this.query(changing, RECORD_ARRIVALS, [arrived, nodeId, unrecorded]);
      for (const id of arrived) this.recorded.add(id);
      this.notify(arrivals, true); // before a failure below: the retry does not select them again
    }
    this.isNodeRecorded = true;
    if (departed.length === 0) return;
    const departures = await this.query(departed, RECORD_DEPARTURES, [departed, nodeId, this.clock.date()]);
    for (const id of departed) this.recorded.delete(id);
    await this.notifyOffline(departures);
  }

  private query(participantIds: number[], statement: string, values: unknown[]): Promise<PresenceChange[]> {
    if (!this.bus.isShared) return this.dataSource.query<PresenceChange[]>(statement, values);
    return this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK_PARTICIPANTS, [participantIds]);
      return manager.query<PresenceChange[]>(statement, values);
    });
  }

  /**
   * Leaves out users who have connected to another node meanwhile, because that node may have notified their contacts already.
   */
  private async notifyOffline(changes: PresenceChange[]): Promise<void> {
    if (!this.bus.isShared || changes.length === 0) return this.notify(changes, false);
    const ids = [...new Set(changes.map(({ id }) => id))];
    const rows = await this.dataSource.query<{ id: string }[]>(SELECT_ONLINE, [ids]);
    const online = new Set(rows.map(({ id }) => id));
    this.notify(
      changes.filter(({ id }) => !online.has(id)),
      false,
    );
  }

  private notify(changes: PresenceChange[], is_online: boolean): void {
    const contacts = new Map<string, number[]>();
    for (const { username, contact_id } of changes) {
      const ids = contacts.get(username);
      if (ids) ids.push(Number(contact_id));
      else contacts.set(username, [Number(contact_id)]);
    }
    for (const [username, ids] of contacts) {
      const data: UserStatusDto = { username, is_online };
      this.pushes.push(ids, successText('user_status', data), { isEphemeral: true });
    }
  }
}
