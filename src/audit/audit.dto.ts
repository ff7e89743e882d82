import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQueryDto } from '../http/pagination.dto.js';
import type { AuditEvent } from './audit-event.entity.js';
import { AUDIT_ACTIONS, type AuditAction } from './audit.actions.js';

/** Filters and page of the audit log. */
export class AuditQueryDto extends PageQueryDto {
  /**
   * Returns only events of this action.
   * @example session.refused
   */
  @IsOptional()
  @IsIn(AUDIT_ACTIONS)
  action?: AuditAction;

  /** Returns only actions of this user. */
  @IsOptional()
  @IsUUID()
  actor_id?: string;

  /** Returns only actions that affect this user or group. */
  @IsOptional()
  @IsUUID()
  subject_id?: string;
}

/** An audit event; see AuditEvent. */
export class AuditEventDto {
  /** @example "42" */
  id: string;
  at: Date;
  /** @example session.opened */
  action: AuditAction;
  /** @example true */
  succeeded: boolean;
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  actor_id: string | null;
  /** @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  @ApiProperty({ format: 'uuid' })
  subject_id: string | null;
  /** @example 0199c2a4-7a10-7d55-b1c2-9e8f7a6b5c4d */
  @ApiProperty({ format: 'uuid' })
  session_id: string | null;
  /** @example 203.0.113.9 */
  ip: string | null;
  /** @example 7d4d6a3e-0f0e-4a53-9f39-6f4c7c3f1b11 */
  @ApiProperty({ format: 'uuid' })
  request_id: string | null;
  /** @example {} */
  details: object;
}

/** A page of audit events. */
export class AuditPageDto {
  items: AuditEventDto[];
  /** Pass it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toAuditEventDto = (event: AuditEvent): AuditEventDto => ({
  id: event.id,
  at: event.at,
  action: event.action,
  succeeded: event.succeeded,
  actor_id: event.actor_id,
  subject_id: event.subject_id,
  session_id: event.session_id,
  ip: event.ip,
  request_id: event.request_id,
  details: event.details,
});
