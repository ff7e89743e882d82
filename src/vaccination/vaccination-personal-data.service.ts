import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Pool } from 'pg';
import type { EntityManager } from 'typeorm';
import { POOL } from '../database/connections/pool.js';
import { readRows } from '../database/statements/read-rows.js';
import { MailsService } from '../mail/mails.service.js';
import { PersonalDataRegistryService } from '../personal-data/personal-data-registry.service.js';
import type { DataSubject, ExportPart, PersonalTable } from '../personal-data/personal-data.js';
import { PersonalDataService } from './personal-data/personal-data.service.js';
import { RegistrationsService } from './registrations/registrations.service.js';

const REGISTRATIONS = 'registrations/<id>.json';

const TABLES: Record<string, PersonalTable> = {
  vaccination_registrations: { columns: { user_id: 'unlinked', decided_by: 'kept' }, file: REGISTRATIONS },
  vaccination_appointments: { columns: { registration_id: 'deleted' }, file: REGISTRATIONS },
  vaccination_waitlist_entries: { columns: { registration_id: 'deleted' }, file: REGISTRATIONS },
  vaccination_doses: { columns: { registration_id: 'kept', vaccinator_id: 'unlinked' }, file: REGISTRATIONS },
  vaccination_adverse_events: { columns: { dose_id: 'kept', recorded_by: 'unlinked' }, file: REGISTRATIONS },
  vaccination_certificates: { columns: { dose_id: 'kept' }, file: REGISTRATIONS },
  vaccination_centre_staff: { columns: { user_id: 'deleted' }, file: 'staff.json' },
  vaccination_notices: { columns: { appointment_id: 'deleted', dose_id: 'deleted' }, file: null },
  vaccination_reminders: { columns: { subject_id: 'kept' }, file: null },
  vaccination_booking_requests: { columns: { key: 'kept', appointment_id: 'kept' }, file: null },
};

const STAFF = `select s.centre_id, c.name as centre, s.role, s.created_at
  from vaccination_centre_staff s join vaccination_centres c on c.id = s.centre_id
  where s.user_id = $1 order by s.centre_id`;

/** Of a number that other users have registered, too, messages may be about their people. With "limit 1", each number is looked up. */
const OWN_PHONES = `select distinct r.phone from vaccination_registrations r
  where r.user_id = $1 and r.phone is not null and (
    select 1 from vaccination_registrations o where o.phone = r.phone and o.user_id <> r.user_id limit 1) is null`;

/** The registrations of a user and of dependants, as `GET /api/vaccination/registrations/{id}/export` returns them. */
@Injectable()
export class VaccinationPersonalDataService implements OnModuleInit {
  constructor(
    private readonly registry: PersonalDataRegistryService,
    private readonly registrations: RegistrationsService,
    private readonly personalData: PersonalDataService,
    private readonly mails: MailsService,
    @Inject(POOL) private readonly pool: Pool,
  ) {}

  onModuleInit(): void {
    this.registry.register({
      module: 'vaccination',
      tables: TABLES,
      export: (subject) => this.export(subject),
      erase: (manager, { id }) => this.erase(manager, id),
    });
  }

  private async erase(manager: EntityManager, user_id: string): Promise<void> {
    const rows = await manager.query<{ phone: string }[]>(OWN_PHONES, [user_id]);
    const phones = rows.map(({ phone }) => phone);
    await this.personalData.removeAll(manager, user_id);
    await this.mails.discard(manager, phones);
  }

  private async *export(subject: DataSubject): AsyncGenerator<ExportPart> {
    const registrations = await this.registrations.listOwn(subject);
    for (const registration of registrations) {
      const json = await this.personalData.collect(registration);
      yield { name: `vaccination/registrations/${registration.id}.json`, json };
    }
    yield { name: 'vaccination/staff.json', rows: readRows(this.pool, STAFF, [subject.id]) };
    const { rows } = await this.pool.query<{ phone: string }>(OWN_PHONES, [subject.id]);
    const phones = rows.map(({ phone }) => phone);
    yield { name: 'vaccination/messages.json', rows: this.mails.readAbout(this.pool, phones) };
  }
}
