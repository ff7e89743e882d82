import { INELIGIBILITY_REASONS } from '../../http/problems/problem-catalogue.js';
import type { RegistrationStatus } from '../registrations/registration.entity.js';
import type { Vaccine } from '../vaccines/vaccine.entity.js';
import { addDays, addMonths, dayOf } from '../days.js';

export type IneligibilityReason = (typeof INELIGIBILITY_REASONS)[number];

/** What is known about a person. */
export interface Person {
  status: RegistrationStatus;
  /** Null: not known yet, so that the age is not checked and the person cannot book. */
  date_of_birth: string | null;
  /** The doses that count. */
  doses: { disease: string; dose: number; vaccine_id: string; given_at: Date }[];
  /** Diseases against which the person has a live appointment. */
  booked: string[];
}

/** The rules of a vaccine. */
export type Course = Pick<Vaccine, 'id' | 'disease' | 'min_age_months' | 'max_age_months' | 'doses' | 'is_active'>;

/** The question: may this person get this vaccine on this day of the centre? */
export interface EligibilityQuestion {
  person: Person;
  vaccine: Course;
  /** Of the centre: ages and intervals are counted in its days. */
  timeZone: string;
  day: string;
  /** No earlier day is offered. */
  today: string;
  /** The only dose that is given; null: any. */
  dose?: number | null;
}

export interface Eligibility {
  /** Null when the course is complete. */
  next_dose: number | null;
  /** The first day from today on, on which age and interval allow the next dose; null if there is none. */
  earliest_day: string | null;
  /** The day that the vaccine recommends for the next dose, never before the earliest one. */
  recommended_day: string | null;
  /** The last day on which the person is young enough; null without a limit. */
  latest_day: string | null;
  /** Why the person cannot get the dose on that day; empty if they can. */
  reasons: IneligibilityReason[];
}

/** A dose that is about to be recorded. */
export interface GivenDose {
  date_of_birth: string | null;
  vaccine: Pick<Course, 'min_age_months' | 'max_age_months' | 'doses'>;
  dose: number;
  /** The day of the previous dose; null for the first one. */
  previous: string | null;
  /** The day of this dose. All days are those of the centre. */
  day: string;
}

/** Of a dose that was booked before the vaccine got fewer doses: appointments stay when the catalogue changes. */
const NO_INTERVAL = { min_interval_days: 0, grace_days: 0 };

/**
 * Why a dose does not count: age, or an interval that is too short even with the days of grace. Null for one that counts.
 * `earliest_day`: from which day on it counts; null for a person who is too old.
 */
export function findUntimely({
  date_of_birth,
  vaccine,
  dose,
  previous,
  day,
}: GivenDose): { reason: 'too_old' | 'too_young' | 'too_early'; earliest_day: string | null } | null {
  const { min_interval_days, grace_days } = vaccine.doses[dose - 1] ?? NO_INTERVAL;
  const oldEnough = date_of_birth === null ? day : addMonths(date_of_birth, vaccine.min_age_months);
  const intervalEnd = previous === null ? day : addDays(previous, min_interval_days - grace_days);
  const latest = lastDay(date_of_birth, vaccine);
  if (latest !== null && day > latest) return { reason: 'too_old', earliest_day: null };
  const earliest_day = latestOf(oldEnough, intervalEnd);
  if (day < oldEnough) return { reason: 'too_young', earliest_day };
  return day < intervalEnd ? { reason: 'too_early', earliest_day } : null;
}

/** Days of grace are not used: they excuse a dose that was given too early, not an appointment. */
export function eligibilityOf({
  person,
  vaccine,
  timeZone,
  day,
  today,
  dose = null,
}: EligibilityQuestion): Eligibility {
  const given = person.doses.filter(({ disease }) => disease === vaccine.disease);
  const next = nextDose(vaccine, given);
  const { date_of_birth } = person;
  const oldEnough = date_of_birth === null ? today : addMonths(date_of_birth, vaccine.min_age_months);
  const previous = given.find((each) => each.dose === (next ?? 1) - 1);
  const since = previous && dayOf(previous.given_at, timeZone);
  const plan = vaccine.doses[(next ?? 1) - 1]!;
  const intervalEnd = since === undefined ? oldEnough : addDays(since, plan.min_interval_days);
  const earliest = latestOf(today, latestOf(oldEnough, intervalEnd));
  const recommended =
    since === undefined ? earliest : latestOf(earliest, addDays(since, plan.recommended_interval_days));
  const latest = lastDay(date_of_birth, vaccine);
  const isPossible = next !== null && (latest === null || earliest <= latest);
  const found: Record<IneligibilityReason, boolean> = {
    registration_not_verified: person.status !== 'verified',
    registration_incomplete: date_of_birth === null,
    vaccine_inactive: !vaccine.is_active,
    course_complete: next === null,
    wrong_vaccine: given.some(({ vaccine_id }) => vaccine_id !== vaccine.id),
    dose_out_of_order: next !== null && dose !== null && dose !== next,
    too_old: latest !== null && day > latest,
    too_young: day < oldEnough,
    too_early: next !== null && since !== undefined && day < intervalEnd,
    already_booked: person.booked.includes(vaccine.disease),
  };
  return {
    next_dose: next,
    earliest_day: isPossible ? earliest : null,
    recommended_day: isPossible ? recommended : null,
    latest_day: latest,
    reasons: INELIGIBILITY_REASONS.filter((reason) => found[reason]),
  };
}

/** The first dose that the person does not have; null when the course is complete. */
function nextDose({ doses }: Course, given: Person['doses']): number | null {
  const missing = doses.findIndex((_, index) => !given.some(({ dose }) => dose === index + 1));
  return missing < 0 ? null : missing + 1;
}

/** The day before the person reaches the age from which the vaccine is not given. */
const lastDay = (date_of_birth: string | null, { max_age_months }: Pick<Course, 'max_age_months'>): string | null =>
  max_age_months === null || date_of_birth === null ? null : addDays(addMonths(date_of_birth, max_age_months), -1);

const latestOf = (one: string, other: string): string => (one > other ? one : other);
