import { describe, expect, it } from 'vitest';
import { addDays, addMonths, dayOf } from '../days.js';
import { type Course, eligibilityOf, type Person } from './eligibility.js';

const VACCINE: Course = {
  id: 'one',
  disease: 'covid',
  min_age_months: 144,
  max_age_months: null,
  is_active: true,
  doses: [
    { min_interval_days: 0, recommended_interval_days: 0, grace_days: 0 },
    { min_interval_days: 28, recommended_interval_days: 56, grace_days: 4 },
  ],
};
const PERSON: Person = { status: 'verified', date_of_birth: '1990-05-17', doses: [], booked: [] };

const given = (given_at: string, fields: Partial<Person['doses'][number]> = {}): Person['doses'][number] => ({
  disease: 'covid',
  dose: 1,
  vaccine_id: 'one',
  given_at: new Date(given_at),
  ...fields,
});

interface Case {
  title: string;
  day?: string;
  person?: Partial<Person>;
  vaccine?: Partial<Course>;
  dose?: number;
  timeZone?: string;
  today?: string;
  expected: Partial<ReturnType<typeof eligibilityOf>>;
}

const CASES: Case[] = [
  {
    title: 'a verified adult may get dose 1 from today on',
    expected: { next_dose: 1, reasons: [], earliest_day: '2027-01-10', recommended_day: '2027-01-10' },
  },
  {
    title: 'no day is left for a person who is too old today',
    day: '2030-05-17',
    today: '2030-05-17',
    vaccine: { max_age_months: 480 },
    expected: { reasons: ['too_old'], earliest_day: null },
  },
  {
    title: 'a child is too young on the day before the 12th birthday',
    day: '2027-01-17',
    person: { date_of_birth: '2015-01-18' },
    expected: { reasons: ['too_young'], earliest_day: '2027-01-18' },
  },
  {
    title: 'a child may get it on the 12th birthday',
    day: '2027-01-18',
    person: { date_of_birth: '2015-01-18' },
    expected: { reasons: [], earliest_day: '2027-01-18' },
  },
  {
    title: 'a child born on 29 February is 13 on 1 March of a common year',
    day: '2029-02-28',
    person: { date_of_birth: '2016-02-29' },
    vaccine: { min_age_months: 156 },
    expected: { reasons: ['too_young'], earliest_day: '2029-03-01' },
  },
  {
    title: 'a person is young enough on the last day before the maximum age',
    day: '2030-05-16',
    vaccine: { max_age_months: 480 },
    expected: { reasons: [], latest_day: '2030-05-16' },
  },
  {
    title: 'a person is too old on the birthday of the maximum age',
    day: '2030-05-17',
    vaccine: { max_age_months: 480 },
    expected: { reasons: ['too_old'], latest_day: '2030-05-16' },
  },
  {
    title: 'no day is left for a dose whose interval ends after the maximum age',
    day: '2030-05-10',
    person: { doses: [given('2030-05-09T04:00:00Z')] },
    vaccine: { max_age_months: 480 },
    expected: { reasons: ['too_early'], earliest_day: null, recommended_day: null },
  },
  {
    title: 'dose 2 is too early on day 27, also with days of grace',
    day: '2027-01-31',
    person: { doses: [given('2027-01-04T04:00:00Z')] },
    expected: { next_dose: 2, reasons: ['too_early'], earliest_day: '2027-02-01', recommended_day: '2027-03-01' },
  },
  {
    title: 'dose 2 is allowed on day 28',
    day: '2027-02-01',
    person: { doses: [given('2027-01-04T04:00:00Z')] },
    expected: { next_dose: 2, reasons: [] },
  },
  {
    title: 'the interval counts from the day in Dhaka on which dose 1 was given: 23:59 is the same day',
    day: '2027-02-01',
    person: { doses: [given('2027-01-04T17:59:59Z')] },
    expected: { reasons: [], earliest_day: '2027-02-01' },
  },
  {
    title: 'a dose 1 given at midnight in Dhaka counts for the next day, although it is the day before in UTC',
    day: '2027-02-01',
    person: { doses: [given('2027-01-04T18:00:00Z')] },
    expected: { reasons: ['too_early'], earliest_day: '2027-02-02' },
  },
  {
    title: 'the same dose 1 counts for another day at a centre in another time zone',
    day: '2027-02-01',
    person: { doses: [given('2027-01-04T18:00:00Z')] },
    timeZone: 'Europe/London',
    expected: { reasons: [], earliest_day: '2027-02-01' },
  },
  {
    title: 'a course that was started with another vaccine cannot continue with this one',
    day: '2027-06-01',
    person: { doses: [given('2027-01-04T04:00:00Z', { vaccine_id: 'other' })] },
    expected: { next_dose: 2, reasons: ['wrong_vaccine'] },
  },
  {
    title: 'a dose against another disease starts no course',
    person: { doses: [given('2027-01-04T04:00:00Z', { disease: 'measles', vaccine_id: 'other' })] },
    expected: { next_dose: 1, reasons: [] },
  },
  {
    title: 'dose 2 before dose 1 is out of order',
    dose: 2,
    expected: { next_dose: 1, reasons: ['dose_out_of_order'] },
  },
  {
    title: 'dose 1 after dose 1 is out of order',
    day: '2027-06-01',
    dose: 1,
    person: { doses: [given('2027-01-04T04:00:00Z')] },
    expected: { next_dose: 2, reasons: ['dose_out_of_order'] },
  },
  {
    title: 'dose 1 is next again when its record was an error and dose 2 counts',
    day: '2027-06-01',
    person: { doses: [given('2027-02-01T04:00:00Z', { dose: 2 })] },
    expected: { next_dose: 1, reasons: [] },
  },
  {
    title: 'a complete course has no next dose',
    day: '2027-06-01',
    person: { doses: [given('2027-01-04T04:00:00Z'), given('2027-02-04T04:00:00Z', { dose: 2 })] },
    expected: { next_dose: null, earliest_day: null, recommended_day: null, reasons: ['course_complete'] },
  },
  {
    title: 'a pending registration is not verified',
    person: { status: 'pending' },
    expected: { reasons: ['registration_not_verified'] },
  },
  {
    title: 'a withdrawn registration is not verified',
    person: { status: 'withdrawn' },
    expected: { reasons: ['registration_not_verified'] },
  },
  {
    title: 'a live appointment against the disease is a reason',
    person: { booked: ['covid'] },
    expected: { reasons: ['already_booked'] },
  },
  {
    title: 'a live appointment against another disease is none',
    person: { booked: ['measles'] },
    expected: { reasons: [] },
  },
  {
    title: 'an inactive vaccine is a reason',
    vaccine: { is_active: false },
    expected: { reasons: ['vaccine_inactive'] },
  },
  {
    title: 'all reasons are listed, in their order',
    day: '2027-01-17',
    person: { status: 'pending', date_of_birth: '2015-01-18', booked: ['covid'] },
    dose: 2,
    expected: { reasons: ['registration_not_verified', 'dose_out_of_order', 'too_young', 'already_booked'] },
  },
];

describe('eligibilityOf', () => {
  it.each(CASES)(
    '$title',
    ({ day = '2027-01-18', person, vaccine, dose, timeZone = 'Asia/Dhaka', today = '2027-01-10', expected }) => {
      const question = { person: { ...PERSON, ...person }, vaccine: { ...VACCINE, ...vaccine }, timeZone, day, today };
      expect(eligibilityOf({ ...question, dose: dose ?? null })).toMatchObject(expected);
    },
  );
});

describe('days', () => {
  it.each([
    ['2027-01-31', 1, '2027-03-01'],
    ['2028-01-31', 1, '2028-03-01'],
    ['2026-10-31', 6, '2027-05-01'],
    ['2028-02-29', 12, '2029-03-01'],
    ['2028-02-29', 48, '2032-02-29'],
    ['2027-11-15', 2, '2028-01-15'],
    ['1990-05-17', 0, '1990-05-17'],
  ])('%s and %i months are %s', (day, months, expected) => expect(addMonths(day, months)).toBe(expected));

  it.each([
    ['2028-02-28', 1, '2028-02-29'],
    ['2027-12-31', 1, '2028-01-01'],
    ['2027-03-01', -1, '2027-02-28'],
  ])('%s and %i days are %s', (day, days, expected) => expect(addDays(day, days)).toBe(expected));

  it.each([
    ['2027-01-17T17:59:59Z', 'Asia/Dhaka', '2027-01-17'],
    ['2027-01-17T18:00:00Z', 'Asia/Dhaka', '2027-01-18'],
    ['2027-01-17T18:00:00Z', 'America/New_York', '2027-01-17'],
  ])('%s in %s is on %s', (time, timeZone, expected) => expect(dayOf(new Date(time), timeZone)).toBe(expected));
});
