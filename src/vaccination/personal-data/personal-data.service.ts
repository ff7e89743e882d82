import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { AuditAction } from '../../audit/audit.actions.js';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { actorOf, type Caller } from '../../users/caller.js';
import { Registration } from '../registrations/registration.entity.js';
import { toRegistrationDto } from '../registrations/registrations.dto.js';
import { RegistrationsService } from '../registrations/registrations.service.js';
import type {
  ExportedAdverseEventDto,
  ExportedAppointmentDto,
  ExportedCertificateDto,
  ExportedDoseDto,
  ExportedWaitlistEntryDto,
  PersonalDataDeletionDto,
  PersonalDataExportDto,
} from './personal-data.dto.js';

const APPOINTMENTS = `select a.id, a.session_id, c.name as centre, s.starts_at, a.disease, a.dose, a.status, a.is_walk_in, a.moves,
    a.failed_check_ins, a.checked_in_at, a.cancelled_at, a.created_at, a.updated_at
  from vaccination_appointments a
  join vaccination_sessions s on s.id = a.session_id join vaccination_centres c on c.id = s.centre_id
  where a.registration_id = $1 order by a.id`;

const WAITLIST_ENTRIES = `select session_id, created_at from vaccination_waitlist_entries
  where registration_id = $1 order by id`;

const DOSES = `select d.id, d.appointment_id, c.name as centre, v.name as vaccine, l.number as lot, d.disease, d.dose, d.status,
    d.vaccinator_id, d.given_at, d.site, d.route, d.error_at, d.error_reason, d.created_at
  from vaccination_doses d join vaccination_centres c on c.id = d.centre_id
  join vaccines v on v.id = d.vaccine_id join vaccine_lots l on l.id = d.lot_id
  where d.registration_id = $1 order by d.id`;

const ADVERSE_EVENTS = `select e.id, e.dose_id, e.code, e.severity, e.is_serious, e.onset_at, e.description, e.status, e.recorded_by,
    e.error_at, e.error_reason, e.created_at
  from vaccination_adverse_events e join vaccination_doses d on d.id = e.dose_id
  where d.registration_id = $1 order by e.id`;

const CERTIFICATES = `select c.id, c.dose_id, c.uvci, c.rid, c.hcert, c.shc, c.hcert_kid, c.shc_kid, c.issued_at, c.expires_at,
    c.revoked_at
  from vaccination_certificates c join vaccination_doses d on d.id = c.dose_id
  where d.registration_id = $1 order by c.id`;

/** Locks what the triggers count in, in the order of docs/database.md: without it, two deletions could wait for each other. */
const LOCK_SESSIONS = `select from vaccination_sessions where id in (
    select session_id from vaccination_appointments where registration_id = any ($1::uuid[])
  ) order by id for no key update`;

/** Frees the places that the person has booked. Triggers count them. */
const CANCEL_APPOINTMENTS = `update vaccination_appointments set status = 'cancelled', cancelled_at = $2, updated_at = $2
  where registration_id = $1 and status in ('booked', 'checked_in')`;

const DELETE_APPOINTMENTS = `delete from vaccination_appointments a where a.registration_id = $1
  and not exists (select from vaccination_doses d where d.appointment_id = a.id)`;

const DELETE_WAITLIST_ENTRIES = 'delete from vaccination_waitlist_entries where registration_id = $1';

/** What must be kept of a person. */
const KEPT = `select case when count(e.id) > 0 then array['doses', 'adverse_events'] else array['doses'] end as kept
  from vaccination_doses d left join vaccination_adverse_events e on e.dose_id = d.id
  where d.registration_id = $1 having count(*) > 0`;

const AUDITED: AuditAction[] = [
  'registration.created',
  'registration.changed',
  'registration.viewed',
  'registration.verified',
  'registration.rejected',
  'registration.withdrawn',
  'registration.exported',
  'vaccination_appointment.checked_in',
  'vaccination_appointment.walked_in',
  'vaccination_appointment.check_in_refused',
  'vaccination_appointment.no_show',
  'vaccination_dose.recorded',
  'vaccination_dose.entered_in_error',
  'adverse_event.recorded',
  'adverse_event.entered_in_error',
  'vaccination_certificate.issued',
];

/** The rights of people over their data: a copy of it, and its deletion. See docs/vaccination.md. */
@Injectable()
export class PersonalDataService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registrations: RegistrationsService,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /** All that is stored about a person of the caller's account. Throws `registration_not_found`. */
  async export(caller: Caller, id: string): Promise<PersonalDataExportDto> {
    const registration = await this.registrations.getOwn(caller, id);
    const data = await this.collect(registration);
    const entry = { action: 'registration.exported' as const, ...actorOf(caller), subject_id: id };
    await this.audit.write(this.dataSource.manager, entry);
    return data;
  }

  /** All that is stored about a registered person. */
  async collect(registration: Registration): Promise<PersonalDataExportDto> {
    const { manager } = this.dataSource;
    const { id } = registration;
    const records = {
      appointments: await manager.query<ExportedAppointmentDto[]>(APPOINTMENTS, [id]),
      waitlist_entries: await manager.query<ExportedWaitlistEntryDto[]>(WAITLIST_ENTRIES, [id]),
      doses: await manager.query<ExportedDoseDto[]>(DOSES, [id]),
      adverse_events: await manager.query<ExportedAdverseEventDto[]>(ADVERSE_EVENTS, [id]),
      certificates: await manager.query<ExportedCertificateDto[]>(CERTIFICATES, [id]),
    };
    const { appointments, doses, adverse_events, certificates } = records;
    const subjects = [...appointments, ...doses, ...adverse_events, ...certificates].map((each) => each.id);
    const events = await this.audit.listAbout([id, ...subjects], AUDITED);
    return {
      exported_at: this.clock.date(),
      registration: toRegistrationDto(registration),
      ...records,
      audit_events: events.map(({ at, action, actor_id, subject_id, details }) => {
        const { reason, override_reason } = details as { reason?: string; override_reason?: string };
        return { at, action, actor_id, subject_id: subject_id!, reason: reason ?? override_reason ?? null };
      }),
    };
  }

  /** Deletes what is stored about a person, but for the records of doses. Throws `registration_not_found`. */
  remove(caller: Caller, id: string): Promise<PersonalDataDeletionDto> {
    return this.dataSource.transaction(async (manager) => {
      const registration = await this.registrations.lockOwn(manager, caller, id);
      await manager.query(LOCK_SESSIONS, [[id]]);
      const kept = await this.removeWithin(manager, registration.id);
      const entry = { action: 'registration.deleted' as const, ...actorOf(caller), subject_id: id };
      await this.audit.write(manager, { ...entry, details: { kept } });
      return { kept };
    });
  }

  /** Deletes the registrations of a user whose account is deleted, but for the records of doses. */
  async removeAll(manager: EntityManager, userId: string): Promise<void> {
    const lock = { mode: 'pessimistic_write' } as const;
    const where = { user_id: userId };
    const rows = await manager.find(Registration, { select: { id: true }, where, lock, order: { id: 'ASC' } });
    await manager.query(LOCK_SESSIONS, [rows.map(({ id }) => id)]);
    for (const { id } of rows) {
      const kept = await this.removeWithin(manager, id);
      await this.audit.write(manager, { action: 'registration.deleted', subject_id: id, details: { kept } });
    }
  }

  /**
   * The registration and its sessions are locked. Without doses, everything is deleted. Otherwise name, date of birth, sex and
   * the encrypted id remain with the doses, and no account has the registration any more. Returns what was kept.
   */
  private async removeWithin(manager: EntityManager, id: string): Promise<string[]> {
    const now = this.clock.date();
    await manager.query(CANCEL_APPOINTMENTS, [id, now]);
    const [row] = await manager.query<{ kept: string[] }[]>(KEPT, [id]);
    if (!row) {
      await manager.delete(Registration, id); // the database deletes appointments and waitlist entries with it
      return [];
    }
    await manager.query(DELETE_APPOINTMENTS, [id]);
    await manager.query(DELETE_WAITLIST_ENTRIES, [id]);
    await manager.update(Registration, id, { user_id: null, phone: null, status: 'withdrawn', updated_at: now });
    return row.kept;
  }
}
