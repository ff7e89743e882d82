import type { Appointment, Immunization, ImmunizationRecommendation, Patient, Slot } from 'fhir/r4.js';
import { ADVERSE_EVENTS } from '../adverse-events/adverse-event-codes.js';
import type { AdverseEvent } from '../adverse-events/adverse-event.entity.js';
import type { Appointment as AppointmentRow, AppointmentStatus } from '../appointments/appointment.entity.js';
import type { Dose } from '../doses/dose.entity.js';
import type { Eligibility } from '../eligibility/eligibility.js';
import type { Registration } from '../registrations/registration.entity.js';
import type { VaccinationSession } from '../sessions/vaccination-session.entity.js';
import type { Vaccine } from '../vaccines/vaccine.entity.js';
import {
  centreReference,
  diseaseCode,
  hl7,
  identifierOf,
  maskedIdentifier,
  patientReference,
  vaccineCode,
} from './fhir-codes.js';

/** A registered person. */
export function toPatient(row: Registration): Patient {
  const { id, id_type, legal_name, sex, date_of_birth, phone, status, updated_at } = row;
  return {
    resourceType: 'Patient',
    id,
    meta: { lastUpdated: updated_at.toISOString() },
    identifier: [{ use: 'usual', ...identifierOf(id) }, maskedIdentifier(id_type)],
    active: status === 'verified' || status === 'pending',
    name: [{ use: 'official', text: legal_name }],
    ...(phone === null ? {} : { telecom: [{ system: 'phone', value: phone }] }),
    gender: sex ?? 'unknown',
    ...(date_of_birth === null ? {} : { birthDate: date_of_birth }),
  };
}

/** A given dose, with vaccine, lot and centre loaded. */
export function toImmunization(dose: Dose): Immunization {
  const { id, registration_id, vaccine, lot, centre, disease, status } = dose;
  const isWrong = status === 'entered_in_error';
  return {
    resourceType: 'Immunization',
    id,
    meta: { lastUpdated: (dose.error_at ?? dose.created_at).toISOString() },
    identifier: [identifierOf(id)],
    status: isWrong ? 'entered-in-error' : 'completed',
    vaccineCode: vaccineCode(vaccine),
    patient: patientReference(registration_id),
    occurrenceDateTime: dose.given_at.toISOString(),
    recorded: dose.created_at.toISOString(),
    primarySource: true,
    location: centreReference(centre),
    manufacturer: { display: vaccine.manufacturer },
    lotNumber: lot.number,
    expirationDate: lot.expires_on,
    ...(dose.site === null ? {} : { site: { coding: [hl7('v3-ActSite', dose.site)] } }),
    route: { coding: [hl7('v3-RouteOfAdministration', dose.route)] },
    protocolApplied: [
      {
        targetDisease: [diseaseCode(disease)],
        doseNumberPositiveInt: dose.dose,
        seriesDosesPositiveInt: vaccine.doses.length,
      },
    ],
  };
}

/** An immunization with the adverse events after it, which the staff has recorded. */
export const withReactions = (immunization: Immunization, events: AdverseEvent[]): Immunization =>
  events.length === 0
    ? immunization
    : {
        ...immunization,
        reaction: events.map(({ onset_at, code }) => ({
          date: onset_at.toISOString(),
          detail: { display: ADVERSE_EVENTS[code] },
          reported: false, // by the person
        })),
      };

const STATUSES: Record<AppointmentStatus, Appointment['status']> = {
  booked: 'booked',
  checked_in: 'checked-in',
  fulfilled: 'fulfilled',
  cancelled: 'cancelled',
  no_show: 'noshow',
};

/** An appointment, with session, centre and vaccine loaded. */
export function toAppointment(row: AppointmentRow): Appointment {
  const { id, registration_id, session, status, dose } = row;
  return {
    resourceType: 'Appointment',
    id,
    meta: { lastUpdated: row.updated_at.toISOString() },
    identifier: [identifierOf(id)],
    status: STATUSES[status],
    ...(status === 'cancelled' && session.status === 'cancelled'
      ? { cancelationReason: { coding: [hl7('appointment-cancellation-reason', 'prov')] } }
      : {}),
    serviceType: [vaccineCode(session.vaccine)],
    reasonCode: [diseaseCode(row.disease)],
    description: `Dose ${dose}`,
    start: session.starts_at.toISOString(),
    end: session.ends_at.toISOString(),
    slot: [{ reference: `Slot/${session.id}`, type: 'Slot' }],
    created: row.created_at.toISOString(),
    participant: [
      { actor: patientReference(registration_id), status: status === 'cancelled' ? 'declined' : 'accepted' },
      { actor: centreReference(session.centre), status: 'accepted' },
    ],
  };
}

/** A session, with centre and vaccine loaded. The centre keeps the schedule. */
export function toSlot(session: VaccinationSession): Slot {
  const { id, centre, vaccine, starts_at, ends_at, updated_at } = session;
  return {
    resourceType: 'Slot',
    id,
    meta: { lastUpdated: updated_at.toISOString() },
    identifier: [identifierOf(id)],
    serviceType: [vaccineCode(vaccine)],
    schedule: { type: 'Schedule', identifier: identifierOf(centre.id), display: centre.name },
    status: slotStatus(session),
    start: starts_at.toISOString(),
    end: ends_at.toISOString(),
  };
}

function slotStatus({ status, booked, capacity, centre, vaccine }: VaccinationSession): Slot['status'] {
  if (status !== 'open' || centre.status !== 'active' || !vaccine.is_active) return 'busy-unavailable';
  return booked < capacity ? 'free' : 'busy';
}

type Recommendation = ImmunizationRecommendation['recommendation'][number];

/** LOINC codes of the dates of a recommendation. */
const LOINC = { earliest_day: '30981-5', recommended_day: '30980-7', latest_day: '59777-3' } as const;

/** What a person should get next of a vaccine, and from when. */
export function toRecommendation(vaccine: Vaccine, eligibility: Eligibility): Recommendation {
  const { next_dose } = eligibility;
  const dates = Object.entries(LOINC).flatMap(([name, code]) => {
    const value = eligibility[name as keyof typeof LOINC];
    return value === null ? [] : [{ code: { coding: [{ system: 'http://loinc.org', code }] }, value }];
  });
  const status = next_dose === null ? 'complete' : eligibility.earliest_day === null ? 'contraindicated' : 'due';
  return {
    vaccineCode: [vaccineCode(vaccine)],
    targetDisease: diseaseCode(vaccine.disease),
    forecastStatus: { coding: [hl7('immunization-recommendation-status', status)] },
    ...(next_dose === null || dates.length === 0 ? {} : { dateCriterion: dates }),
    ...(next_dose === null ? {} : { doseNumberPositiveInt: next_dose }),
    seriesDosesPositiveInt: vaccine.doses.length,
  };
}
