import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import { Clock } from '../../common/clock.provider.js';
import { POOL } from '../../database/database.module.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { ChatNodeService } from './chat-node.service.js';

/** A line that broke is often back at once: its owner is not gone before this. */
const GRACE_MS = 5_000;
const MAX_BATCH = 1000;

/** Whom to tell about whom; nobody, while somebody is online elsewhere. */
const TO_TELL = `select c.participant_id as id, u.username, c.contact_id
  from contacts c join participants p on p.id = c.participant_id join users u on u.id = p.user_id
  where c.participant_id = any ($1) and not exists (
    select from presences s where s.participant_id = c.participant_id and s.node_id <> $2)`;

/** One statement each: whoever becomes a contact later is not told of what was before. */
const ARRIVE = `with here as (
    insert into presences (participant_id, node_id) select id, $2 from unnest($1::bigint[] || $3::bigint[]) as id
    on conflict do nothing
  ) ${TO_TELL}`;

const LEAVE = `with gone as (delete from presences where node_id = $2 and participant_id = any ($1)), last as (
    update participants set last_online_at = $3 where id = any ($1)
  ) ${TO_TELL}`;

interface Told {
  id: string;
  username: string;
  contact_id: string;
}

/**
 * Who is online, over any number of devices. What changes is written and told in batches, one at a time: a change
 * that is undone meanwhile is none.
 */
@Injectable()
export class PresenceService {
  private readonly log = new Logger(PresenceService.name);
  /** As the database and the contacts know it, for this node. */
  private readonly told = new Set<number>();
  /** Those whose last line broke, and until when they may come back unnoticed. */
  private readonly leaving = new Map<number, number>();
  private readonly changed = new Set<number>();
  /** False when the node is a new one to the database. */
  private isWritten = true;
  private isRunning = false;
  private running: Promise<void> | undefined;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly connections: ConnectionsService,
    private readonly node: ChatNodeService,
    private readonly clock: Clock,
  ) {
    connections.onTick((now) => this.tick(now));
  }

  get nodeId(): number | null {
    return this.node.id;
  }

  /** Begins to keep presence; nobody who was on a killed process is online any more. */
  start(): Promise<void> {
    return this.node.enter(() => {
      this.isWritten = false;
      this.begin();
    });
  }

  /** Whether they are connected to this node, or were a moment ago. */
  isHere(participantId: number): boolean {
    return this.connections.has(participantId) || this.leaving.has(participantId);
  }

  /** One of their connections has opened. */
  arrived(participantId: number): void {
    this.leaving.delete(participantId);
    this.note(participantId);
  }

  /** One of their connections has closed, with a farewell or without. */
  left(participantId: number, isClean: boolean): void {
    if (this.connections.has(participantId)) return;
    if (!isClean) this.leaving.set(participantId, this.clock.now() + GRACE_MS);
    else this.note(participantId);
  }

  /** When everybody has left and it has been written. */
  async settle(): Promise<void> {
    for (const id of this.leaving.keys()) this.changed.add(id);
    this.leaving.clear();
    this.begin();
    await this.running;
  }

  private note(participantId: number): void {
    this.changed.add(participantId);
    this.begin();
  }

  private begin(): void {
    if (!this.isRunning) this.running = this.run();
  }

  private tick(now: number): void {
    for (const [id, until] of this.leaving) {
      if (now < until) continue;
      this.leaving.delete(id);
      this.note(id);
    }
    if (this.changed.size > 0 || !this.isWritten) this.begin();
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    await Promise.resolve(); // what changes in the same turn goes together
    while ((this.changed.size > 0 || !this.isWritten) && this.node.id !== null) {
      const batch = [...this.changed].slice(0, MAX_BATCH);
      for (const id of batch) this.changed.delete(id);
      try {
        await this.write(batch, this.node.id);
      } catch (error) {
        this.log.warn(`presence is not written (${(error as Error).message}): trying again`);
        for (const id of batch) this.changed.add(id);
        break; // until the next tick
      }
    }
    this.isRunning = false;
  }

  private async write(batch: number[], nodeId: number): Promise<void> {
    const arrived = batch.filter((id) => this.isHere(id) && !this.told.has(id));
    const gone = batch.filter((id) => !this.isHere(id) && this.told.has(id));
    const missing = this.isWritten ? [] : [...this.told];
    const arrivals = await this.ask('chat-arrive', ARRIVE, [arrived, nodeId, missing]);
    this.isWritten = true;
    for (const id of arrived) this.told.add(id);
    for (const row of arrivals) this.tell(row); // now: they are no change any more when the rest is tried again
    if (gone.length === 0) return;
    const departures = await this.ask('chat-leave', LEAVE, [gone, nodeId, this.clock.date()]);
    for (const id of gone) this.told.delete(id);
    for (const row of departures) this.tell(row);
  }

  private async ask(name: string, text: string, values: unknown[]): Promise<Told[]> {
    const { rows } = await this.pool.query<Told>({ name, text, values });
    return rows;
  }

  private tell({ id, username, contact_id }: Told): void {
    const data = { username, is_online: this.told.has(Number(id)) };
    const frame = JSON.stringify({ success: true, type: 'user_status', data });
    for (const connection of this.connections.of(Number(contact_id))) connection.sendEphemeral(frame);
  }
}
