import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import type { Caller } from '../../users/caller.js';
import { Appointment } from '../appointments/appointment.entity.js';
import type { VaccinationSession } from '../sessions/vaccination-session.entity.js';
import { VaccinationSessionsService } from '../sessions/vaccination-sessions.service.js';
import { WaitlistEntry } from '../waitlist/waitlist-entry.entity.js';

/** Cancels sessions together with everything that was planned for them. */
@Injectable()
export class SessionCancellationsService {
  constructor(
    private readonly sessions: VaccinationSessionsService,
    private readonly clock: Clock,
  ) {}

  /**
   * Cancels a session, its live appointments and its waitlist in one transaction. Throws `vaccination_session_not_found`,
   * `forbidden`, `session_not_changeable`.
   */
  cancel(caller: Caller, id: string, reason: string): Promise<VaccinationSession> {
    return this.sessions.cancel(caller, id, reason, (manager) => this.release(manager, id));
  }

  private async release(manager: EntityManager, session_id: string): Promise<void> {
    const now = this.clock.date();
    const changes = { status: 'cancelled', cancelled_at: now, updated_at: now } as const;
    await manager.update(Appointment, { session_id, status: In(['booked', 'checked_in']) }, changes);
    await manager.delete(WaitlistEntry, { session_id });
  }
}
