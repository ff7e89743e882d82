import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { AuditAction } from '../../audit/audit.actions.js';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { UsersService } from '../../users/users.service.js';
import { Registration } from '../registrations/registration.entity.js';
import { toRegistrationDto } from '../registrations/registrations.dto.js';
import { RegistrationsService } from '../registrations/registrations.service.js';
import type {
  ExportedAppointmentDto,
  ExportedCertificateDto,
  ExportedDoseDto,
  ExportedWaitlistEntryDto,
  PersonalDataDeletionDto,
  PersonalDataExportDto,
} from './personal-data.dto.js';

const APPOINTMENTS = `select a.id, a.session_id, c.name as centre, s.starts_at, a.dose, a.status, a.created_at
  from vaccination_appointments a
  join vaccination_sessions s on s.id = a.session_id join vaccination_centres c on c.id = s.centre_id
  where a.registration_id = $1 order by a.id`;

const WAITLIST_ENTRIES = `select session_id, created_at from vaccination_waitlist_entries
  where registration_id = $1 order by id`;

const DOSES = `select d.id, c.name as centre, v.name as vaccine, l.number as lot, d.dose, d.status, d.given_at, d.site,
    d.route, d.error_reason
  from vaccination_doses d join vaccination_centres c on c.id = d.centre_id
  join vaccines v on v.id = d.vaccine_id join vaccine_lots l on l.id = d.lot_id
  where d.registration_id = $1 order by d.id`;

const CERTIFICATES = `select c.id, c.uvci, c.issued_at, c.expires_at, c.revoked_at
  from vaccination_certificates c join vaccination_doses d on d.id = c.dose_id
  where d.registration_id = $1 order by c.id`;

/** Frees the places that the person has booked. Triggers count them. */
const CANCEL_APPOINTMENTS = `update vaccination_appointments set status = 'cancelled', cancelled_at = $2, updated_at = $2
  where registration_id = $1 and status in ('booked', 'checked_in')`;

const DELETE_APPOINTMENTS = `delete from vaccination_appointments a where a.registration_id = $1
  and not exists (select from vaccination_doses d where d.appointment_id = a.id)`;

const DELETE_WAITLIST_ENTRIES = 'delete from vaccination_waitlist_entries where registration_id = $1';

const HAS_DOSE = 'select 1 from vaccination_doses where registration_id = $1 limit 1';

const AUDITED: AuditAction[] = [
  'registration.created',
  'registration.changed',
  'registration.viewed',
  'registration.verified',
  'registration.rejected',
  'registration.withdrawn',
  'registration.exported',
];

/** The rights of people over their data: a copy of it, and its deletion. See docs/vaccination.md. */
@Injectable()
export class PersonalDataService implements OnModuleInit {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registrations: RegistrationsService,
    private readonly users: UsersService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  onModuleInit(): void {
    this.users.beforeRemoval((manager, userId) => this.removeAll(manager, userId));
  }

  /** All that is stored about a person of the caller's account. Throws `registration_not_found`. */
  async export(caller: Caller, id: string): Promise<PersonalDataExportDto> {
    const registration = await this.registrations.getOwn(caller, id);
    const { manager } = this.dataSource;
    const events = await this.audit.listAbout(id, AUDITED);
    await this.audit.write(manager, { action: 'registration.exported', ...actorOf(caller), subject_id: id });
    return {
      exported_at: this.clock.date(),
      registration: toRegistrationDto(registration),
      appointments: await manager.query<ExportedAppointmentDto[]>(APPOINTMENTS, [id]),
      waitlist_entries: await manager.query<ExportedWaitlistEntryDto[]>(WAITLIST_ENTRIES, [id]),
      doses: await manager.query<ExportedDoseDto[]>(DOSES, [id]),
      certificates: await manager.query<ExportedCertificateDto[]>(CERTIFICATES, [id]),
      audit_events: events.map(({ at, action, actor_id, details }) => {
        const { reason } = details as { reason?: string };
        return { at, action, actor_id, reason: reason ?? null };
      }),
    };
  }

  /** Deletes what is stored about a person, but for the records of doses. Throws `registration_not_found`. */
  remove(caller: Caller, id: string): Promise<PersonalDataDeletionDto> {
    return this.dataSource.transaction(async (manager) => {
      const registration = await this.registrations.lockOwn(manager, caller, id);
      const isKept = await this.removeWithin(manager, registration.id);
      const entry = { action: 'registration.deleted' as const, ...actorOf(caller), subject_id: id };
      const kept = isKept ? ['doses'] : [];
      await this.audit.write(manager, { ...entry, details: { kept } });
      return { kept };
    });
  }

  /** For each registration of a user whose account is deleted. */
  private async removeAll(manager: EntityManager, userId: string): Promise<void> {
    const lock = { mode: 'pessimistic_write' } as const;
    const where = { user_id: userId };
    const rows = await manager.find(Registration, { select: { id: true }, where, lock, order: { id: 'ASC' } });
    for (const { id } of rows) {
      const kept = (await this.removeWithin(manager, id)) ? ['doses'] : [];
      await this.audit.write(manager, { action: 'registration.deleted', subject_id: id, details: { kept } });
    }
  }

  /**
   * The registration is locked. Without doses, everything is deleted. Otherwise name, date of birth, sex and the encrypted id
   * remain with the doses, and no account has the registration any more. Returns whether it was kept.
   */
  private async removeWithin(manager: EntityManager, id: string): Promise<boolean> {
    const now = this.clock.date();
    await manager.query(CANCEL_APPOINTMENTS, [id, now]);
    const isKept = (await manager.query<unknown[]>(HAS_DOSE, [id])).length > 0;
    if (!isKept) {
      await manager.delete(Registration, id); // the database deletes appointments and waitlist entries with it
      return false;
    }
    await manager.query(DELETE_APPOINTMENTS, [id]);
    await manager.query(DELETE_WAITLIST_ENTRIES, [id]);
    await manager.update(Registration, id, { user_id: null, phone: null, status: 'withdrawn', updated_at: now });
    return true;
  }
}
