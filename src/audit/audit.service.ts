import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, In, Repository } from 'typeorm';
import { Clock } from '../common/clock.provider.js';
import { type Page, readCursor, toPage } from '../http/pagination.dto.js';
import { requestContext } from '../http/log/request-context.js';
import type { AuditAction } from './audit.actions.js';
import { AuditEvent } from './audit-event.entity.js';
import { type AuditEventDto, type AuditQueryDto, toAuditEventDto } from './audit.dto.js';

const INSERT = `insert into audit_events (at, action, succeeded, actor_id, subject_id, session_id, ip, request_id, details)
  select $2, e.action, e.succeeded, e.actor_id, e.subject_id, e.session_id, e.ip, $3, e.details from jsonb_to_recordset($1) as e
    (action text, succeeded boolean, actor_id uuid, subject_id uuid, session_id uuid, ip inet, details jsonb)`;

/** An event to record. The service adds time, request id and, of a request, the address of its client. */
export interface AuditEntry {
  action: AuditAction;
  actor_id?: string | null;
  subject_id?: string | null;
  session_id?: string | null;
  succeeded?: boolean;
  /** The address of the client, where there is no request: for frames of a WebSocket. */
  ip?: string | null | undefined;
  details?: object;
}

/** The append-only audit log. */
@Injectable()
export class AuditService {
  constructor(
    @InjectRepository(AuditEvent) private readonly events: Repository<AuditEvent>,
    private readonly clock: Clock,
  ) {}

  /** Records an event within the transaction of the action, so that both commit or neither. */
  async write(manager: EntityManager, entry: AuditEntry): Promise<void> {
    await this.writeAll(manager, [entry]);
  }

  /** Records several events with one statement. */
  async writeAll(manager: EntityManager, entries: AuditEntry[]): Promise<void> {
    const { id: request_id = null, ip = null } = requestContext() ?? {};
    const defaults = { actor_id: null, subject_id: null, session_id: null, succeeded: true, details: {} };
    const at = this.clock.date();
    const events = entries.map((entry) => ({ ...defaults, ...entry, ip: entry.ip ?? ip }));
    await manager.query(INSERT, [JSON.stringify(events), at, request_id]);
  }

  /** The newest events of some actions about these subjects, at most 1,000. */
  listAbout(subjectIds: string[], actions: AuditAction[]): Promise<AuditEvent[]> {
    const where = { subject_id: In(subjectIds), action: In(actions) };
    return this.events.find({ where, order: { id: 'DESC' }, take: 1000 });
  }

  /** Audit events, newest first. */
  async list({ limit, cursor, ...filter }: AuditQueryDto): Promise<Page<AuditEventDto>> {
    const before = readCursor(cursor, (key) => /^[1-9]\d{0,17}$/.test(key));
    const query = this.events.createQueryBuilder('e').where('true');
    for (const [column, value] of Object.entries(filter)) {
      if (value !== undefined) query.andWhere(`e.${column} = :${column}`, { [column]: value });
    }
    if (before !== undefined) query.andWhere('e.id < :before', { before });
    const rows = await query
      .orderBy('e.id', 'DESC')
      .limit(limit + 1)
      .getMany();
    return toPage(rows, limit, (row) => row.id, toAuditEventDto);
  }
}
