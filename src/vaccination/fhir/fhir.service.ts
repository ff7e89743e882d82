import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { Appointment, FhirResource, Immunization, ImmunizationRecommendation, Patient, Slot } from 'fhir/r4.js';
import { type EntityManager, In, type SelectQueryBuilder } from 'typeorm';
import { NIL, validate as isUuid } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { AdverseEvent } from '../adverse-events/adverse-event.entity.js';
import { Appointment as AppointmentRow } from '../appointments/appointment.entity.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { dayOf } from '../days.js';
import { Dose } from '../doses/dose.entity.js';
import { eligibilityOf } from '../eligibility/eligibility.js';
import { PeopleService } from '../eligibility/people.service.js';
import type { Registration } from '../registrations/registration.entity.js';
import { RegistrationReviewsService } from '../registrations/registration-reviews.service.js';
import { RegistrationsService } from '../registrations/registrations.service.js';
import { VaccinationSession } from '../sessions/vaccination-session.entity.js';
import { DEFAULT_TIME_ZONE } from '../time-zones.js';
import { Vaccine } from '../vaccines/vaccine.entity.js';
import { toAppointment, toImmunization, toPatient, toRecommendation, toSlot, withReactions } from './fhir-resources.js';
import {
  dateConditions,
  type FhirAppointmentSearchDto,
  type FhirImmunizationSearchDto,
  type FhirPatientSearchDto,
  type FhirRecommendationSearchDto,
  type FhirSearchQueryDto,
  type FhirSlotSearchDto,
} from './fhir-search.dto.js';

export interface FhirPage<Resource extends FhirResource = FhirResource> {
  resources: Resource[];
  next: string | null;
}

const ALL = 1000;

/** Reads people, doses, appointments and sessions as FHIR resources. Reads by the staff are audited. */
@Injectable()
export class FhirService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly registrations: RegistrationsService,
    private readonly reviews: RegistrationReviewsService,
    private readonly people: PeopleService,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
  ) {}

  /** Throws `registration_not_found`, `validation_failed`. */
  async getPatient(caller: Caller, id: string, reason?: string): Promise<Patient> {
    return toPatient(await this.reviews.get(caller, id, reason));
  }

  async searchPatients(caller: Caller, query: FhirPatientSearchDto): Promise<FhirPage<Patient>> {
    const { _id, identifier = _id, reason } = query;
    if (_id !== undefined && identifier !== _id) return { resources: [], next: null };
    const rows =
      identifier === undefined
        ? await this.registrations.listOwn(caller)
        : await this.readOrNone(() => this.reviews.get(caller, identifier, reason));
    return { resources: rows.map(toPatient), next: null };
  }

  /** Throws `dose_not_found`, `validation_failed`. */
  async getImmunization(caller: Caller, id: string, reason?: string): Promise<Immunization> {
    const dose = await this.doses().where('d.id = :id', { id }).getOne();
    if (!dose) throw new Problem('dose_not_found');
    await this.assertReadable(caller, dose.registration_id, reason, 'dose_not_found');
    const [immunization] = await this.withReactions([toImmunization(dose)]);
    return immunization!;
  }

  async searchImmunizations(caller: Caller, query: FhirImmunizationSearchDto): Promise<FhirPage<Immunization>> {
    const builder = this.doses().where('d.registration_id in (:...ids)', { ids: await this.patientIds(caller, query) });
    const statuses = query.status?.map((status) => status.replaceAll('-', '_'));
    if (statuses) builder.andWhere('d.status in (:...statuses)', { statuses });
    if (query['vaccine-code']) {
      builder.andWhere('(v.cvx_code = :code or v.who_code = :code)', { code: query['vaccine-code'] });
    }
    for (const condition of dateConditions('d.given_at', query.date)) builder.andWhere(...condition);
    const page = await readPage(builder, 'd', query, toImmunization);
    return { ...page, resources: await this.withReactions(page.resources) };
  }

  /** Throws `appointment_not_found`, `validation_failed`. */
  async getAppointment(caller: Caller, id: string, reason?: string): Promise<Appointment> {
    const appointment = await this.appointments().where('a.id = :id', { id }).getOne();
    if (!appointment) throw new Problem('appointment_not_found');
    await this.assertReadable(caller, appointment.registration_id, reason, 'appointment_not_found');
    return toAppointment(appointment);
  }

  async searchAppointments(caller: Caller, query: FhirAppointmentSearchDto): Promise<FhirPage<Appointment>> {
    const ids = await this.patientIds(caller, query);
    const builder = this.appointments().where('a.registration_id in (:...ids)', { ids });
    const statuses = query.status?.map((status) => (status === 'noshow' ? 'no_show' : status.replaceAll('-', '_')));
    if (statuses) builder.andWhere('a.status in (:...statuses)', { statuses });
    for (const condition of dateConditions('s.starts_at', query.date)) builder.andWhere(...condition);
    return readPage(builder, 'a', query, toAppointment);
  }

  /** The id is that of the patient. Throws `registration_not_found`, `validation_failed`. */
  async getRecommendation(caller: Caller, id: string, reason?: string): Promise<ImmunizationRecommendation> {
    const found = await this.recommendationFor(await this.reviews.get(caller, id, reason));
    if (!found) throw new Problem('registration_not_found', { detail: 'There is no recommendation for this person.' });
    return found;
  }

  async searchRecommendations(
    caller: Caller,
    query: FhirRecommendationSearchDto,
  ): Promise<FhirPage<ImmunizationRecommendation>> {
    const { _id, patient = _id, reason } = query;
    if (_id !== undefined && patient !== _id) return { resources: [], next: null };
    const rows =
      patient === undefined
        ? await this.registrations.listOwn(caller)
        : await this.readOrNone(() => this.reviews.get(caller, patient, reason));
    const found = await Promise.all(rows.map((row) => this.recommendationFor(row)));
    return { resources: found.filter((one) => one !== undefined), next: null };
  }

  /** Throws `vaccination_session_not_found`. */
  async getSlot(caller: Caller, id: string): Promise<Slot> {
    const session = await this.sessions().where('s.id = :id', { id }).getOne();
    const isVisible =
      session &&
      (session.status !== 'draft' || (await this.staff.hasRole(caller, session.centre_id, [...STAFF_ROLES])));
    if (!isVisible) throw new Problem('vaccination_session_not_found');
    return toSlot(session);
  }

  searchSlots(query: FhirSlotSearchDto): Promise<FhirPage<Slot>> {
    const builder = this.sessions().where(`s.status in ('open', 'closed', 'cancelled')`);
    if (query.schedule) builder.andWhere('s.centre_id = :centre', { centre: query.schedule });
    if (query['service-type']) {
      builder.andWhere('(v.cvx_code = :code or v.who_code = :code)', { code: query['service-type'] });
    }
    const status = `case when s.status <> 'open' or c.status <> 'active' or not v.is_active then 'busy-unavailable'
      when s.booked < s.capacity then 'free' else 'busy' end`;
    if (query.status) builder.andWhere(`${status} in (:...statuses)`, { statuses: query.status });
    if (!query.start) builder.andWhere('s.starts_at >= :now', { now: this.clock.date() });
    for (const condition of dateConditions('s.starts_at', query.start)) builder.andWhere(...condition);
    return readPage(builder, 's', query, toSlot);
  }

  /** All resources of a patient. Throws `registration_not_found`, `validation_failed`. */
  async everything(caller: Caller, id: string, reason?: string): Promise<FhirPage> {
    const registration = await this.reviews.get(caller, id, reason);
    const recommendation = await this.recommendationFor(registration);
    const where = 'registration_id = :id';
    const doses = await this.doses().where(`d.${where}`, { id }).orderBy('d.id').limit(ALL).getMany();
    const appointments = await this.appointments().where(`a.${where}`, { id }).orderBy('a.id').limit(ALL).getMany();
    const slots = new Map(appointments.map(({ session }) => [session.id, toSlot(session)]));
    const resources: FhirResource[] = [
      toPatient(registration),
      ...(await this.withReactions(doses.map(toImmunization))),
      ...(recommendation ? [recommendation] : []),
      ...appointments.map(toAppointment),
      ...slots.values(),
    ];
    return { resources, next: null };
  }

  private doses(): SelectQueryBuilder<Dose> {
    return this.manager
      .createQueryBuilder(Dose, 'd')
      .innerJoinAndSelect('d.vaccine', 'v')
      .innerJoinAndSelect('d.lot', 'l')
      .innerJoinAndSelect('d.centre', 'c');
  }

  /** Adds the adverse events after these doses. */
  private async withReactions(immunizations: Immunization[]): Promise<Immunization[]> {
    const where = { dose_id: In(immunizations.map(({ id }) => id!)), status: 'recorded' as const };
    const events = await this.manager.find(AdverseEvent, { where, order: { onset_at: 'ASC', id: 'ASC' } });
    return immunizations.map((immunization) =>
      withReactions(
        immunization,
        events.filter(({ dose_id }) => dose_id === immunization.id),
      ),
    );
  }

  private appointments(): SelectQueryBuilder<AppointmentRow> {
    return this.manager
      .createQueryBuilder(AppointmentRow, 'a')
      .innerJoinAndSelect('a.session', 's')
      .innerJoinAndSelect('s.vaccine', 'v')
      .innerJoinAndSelect('s.centre', 'c');
  }

  private sessions(): SelectQueryBuilder<VaccinationSession> {
    return this.manager
      .createQueryBuilder(VaccinationSession, 's')
      .innerJoinAndSelect('s.vaccine', 'v')
      .innerJoinAndSelect('s.centre', 'c');
  }

  /** The patients whose resources a search reads. Never empty, because SQL has no empty list. */
  private async patientIds(caller: Caller, { patient, reason }: FhirRecommendationSearchDto): Promise<string[]> {
    const rows =
      patient === undefined
        ? await this.registrations.listOwn(caller)
        : await this.readOrNone(() => this.reviews.get(caller, patient, reason));
    return rows.length === 0 ? [NIL] : rows.map(({ id }) => id);
  }

  /** A search finds nothing where a read answers 404. */
  private async readOrNone(read: () => Promise<Registration>): Promise<Registration[]> {
    try {
      return [await read()];
    } catch (error) {
      if (error instanceof Problem && error.code === 'registration_not_found') return [];
      throw error;
    }
  }

  private async assertReadable(
    caller: Caller,
    registrationId: string,
    reason: string | undefined,
    code: 'appointment_not_found' | 'dose_not_found',
  ): Promise<void> {
    const found = await this.readOrNone(() => this.reviews.get(caller, registrationId, reason));
    if (found.length === 0) throw new Problem(code);
  }

  private async recommendationFor(row: Registration): Promise<ImmunizationRecommendation | undefined> {
    const { id, user_id } = row;
    const key = user_id === null ? [] : [{ registration_id: id, user_id }];
    const person = (await this.people.read(key)).get(id);
    const vaccines = await this.manager.find(Vaccine, { where: { is_active: true }, order: { id: 'ASC' }, take: ALL });
    if (!person || vaccines.length === 0) return undefined;
    const now = this.clock.date();
    const today = dayOf(now, DEFAULT_TIME_ZONE);
    const recommendation = vaccines.map((vaccine) =>
      toRecommendation(vaccine, eligibilityOf({ person, vaccine, timeZone: DEFAULT_TIME_ZONE, day: today, today })),
    );
    const patient = { reference: `Patient/${id}`, type: 'Patient' };
    return { resourceType: 'ImmunizationRecommendation', id, patient, date: now.toISOString(), recommendation };
  }
}

async function readPage<Row extends { id: string }, Resource extends FhirResource>(
  builder: SelectQueryBuilder<Row>,
  alias: string,
  { _id, _count, _cursor }: FhirSearchQueryDto,
  toResource: (row: Row) => Resource,
): Promise<FhirPage<Resource>> {
  const after = readCursor(_cursor, isUuid);
  if (after !== undefined) builder.andWhere(`${alias}.id > :after`, { after });
  if (_id !== undefined) builder.andWhere(`${alias}.id = :_id`, { _id });
  const rows = await builder
    .orderBy(`${alias}.id`)
    .limit(_count + 1)
    .getMany();
  const { items, next_cursor } = toPage(rows, _count, (row) => row.id, toResource);
  return { resources: items, next: next_cursor };
}
