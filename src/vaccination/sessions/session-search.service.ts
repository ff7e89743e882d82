import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { validate as isUuid } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { SharedReads } from '../../common/concurrency/shared-runs.js';
import { JSON_TIMES } from '../../database/statements/json-times.js';
import { POOL } from '../../database/connections/pool.js';
import { prepared } from '../../database/statements/prepared.js';
import { JsonText } from '../../http/json-text.js';
import { readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import { etagOf } from '../../http/representation.js';
import type { TaggedJson } from '../../http/tagged-json.js';
import type { Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { rowToSessionDto, SESSION_COLUMNS, SESSION_JOINS, type SessionRow } from './session-rows.js';
import { MAX_SESSION_HOURS } from './vaccination-session.entity.js';
import type {
  VaccinationSessionDto,
  VaccinationSessionsPageDto,
  VaccinationSessionsQueryDto,
} from './vaccination-sessions.dto.js';

const MAX_SESSION_MS = MAX_SESSION_HOURS * 3_600_000;

/** Great-circle distance in kilometres, rounded to 100 m so that a cursor can hold it. */
const distanceFrom = (latitude: string, longitude: string): string =>
  `round((6371 * 2 * asin(least(1, sqrt(power(sin(radians(c.latitude - ${latitude}::float8) / 2), 2)
  + cos(radians(${latitude}::float8)) * cos(radians(c.latitude)) * power(sin(radians(c.longitude - ${longitude}::float8) / 2), 2)))))::numeric, 1)`;

/** The position of a row: [distance or 0, start in milliseconds, id]. */
type Position = [distance: number, startsAt: number, id: string];

/** `distance` is null without a point. */
type Row = SessionRow & { distance: string | null };

/** A page as JSON. The ETag covers all of it but the time. */
type SessionList = TaggedJson<VaccinationSessionsPageDto>;

/** Finds sessions for people who look for a place. */
@Injectable()
export class SessionSearchService {
  /** At an opening, many people ask for the same list. */
  private readonly lists = new SharedReads<SessionList>();

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
  ) {}

  /** Lists sessions, the nearest or the earliest first. Throws `forbidden`, `invalid_cursor`, `validation_failed`. */
  async list(caller: Caller, query: VaccinationSessionsQueryDto): Promise<SessionList> {
    await this.assertMaySee(caller, query);
    const near = query.near === undefined ? undefined : parsePoint(query.near);
    const after = readPosition(query.cursor);
    return this.lists.read(JSON.stringify(query), () => this.read(query, near, after));
  }

  private async read(query: VaccinationSessionsQueryDto, near?: Point, after?: Position): Promise<SessionList> {
    const as_of = this.clock.date();
    const { text, values } = toStatement(query, near, after, as_of);
    const { rows } = await this.pool.query<Row>(prepared(text, values, JSON_TIMES));
    const page = toPage(rows, query.limit, toCursorKey, toDto);
    return { json: new JsonText(JSON.stringify({ ...page, as_of })), etag: etagOf(JSON.stringify(page)) };
  }

  /** Drafts are not announced yet: only the staff of their centre sees them. */
  private async assertMaySee(caller: Caller, { status, centre }: VaccinationSessionsQueryDto): Promise<void> {
    if (status !== 'draft' || caller.permissions.manage_vaccines) return;
    if (centre === undefined)
      throw new Problem('forbidden', { detail: 'Name your centre as "centre" to list drafts.' });
    await this.staff.assertRole(caller, centre, ...STAFF_ROLES);
  }
}

interface Point {
  latitude: number;
  longitude: number;
}

/** Throws `validation_failed` for a point that is not on the globe. */
function parsePoint(text: string): Point {
  const [latitude, longitude] = text.split(',').map(Number) as [number, number];
  if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180) return { latitude, longitude };
  throw validationFailed([{ path: 'near', message: 'near must be a point on the globe' }]);
}

/** The query of a page and one more row, after a position if there is one. */
function toStatement(
  query: VaccinationSessionsQueryDto,
  near: Point | undefined,
  after: Position | undefined,
  now: Date,
): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const put = (value: unknown): string => `$${values.push(value)}`;
  const distance = near && distanceFrom(put(near.latitude), put(near.longitude));
  const conditions = conditionsOf(query, put, now);
  if (after) {
    const [afterDistance, startsAt, id] = after;
    const position = `${put(new Date(startsAt))}::timestamptz, ${put(id)}::uuid`;
    if (distance) conditions.push(`(${distance}, s.starts_at, s.id) > (${put(afterDistance)}::numeric, ${position})`);
    else conditions.push(`(s.starts_at, s.id) > (${position})`);
  }
  const text = `select ${SESSION_COLUMNS}, ${distance ?? 'null'} as distance
    from vaccination_sessions s ${SESSION_JOINS}
    where ${conditions.join(' and ')}
    order by ${distance ? 'distance, ' : ''}s.starts_at, s.id limit ${put(query.limit + 1)}`;
  return { text, values };
}

/** `put` adds a parameter and returns its name. */
function conditionsOf(query: VaccinationSessionsQueryDto, put: (value: unknown) => string, now: Date): string[] {
  const { status, vaccine, dose, centre, district, from, to, available } = query;
  const conditions = status
    ? [`s.status = ${put(status)}`]
    : [
        `s.status = 'open' and s.ends_at > ${put(now)} and c.status = 'active' and v.is_active`,
        `s.starts_at > ${put(new Date(+now - MAX_SESSION_MS))}`, // by the index: those before are over
      ];
  if (vaccine) conditions.push(`s.vaccine_id = ${put(vaccine)}`);
  if (dose) {
    const number = `${put(dose)}::int`;
    conditions.push(`(s.dose is null or s.dose = ${number}) and jsonb_array_length(v.doses) >= ${number}`);
  }
  if (centre) conditions.push(`s.centre_id = ${put(centre)}`);
  if (district) conditions.push(`c.district = ${put(district)}`);
  if (from) conditions.push(`s.starts_at >= (${put(from)}::date)::timestamp at time zone c.time_zone`);
  if (to) conditions.push(`s.starts_at < (${put(to)}::date + 1)::timestamp at time zone c.time_zone`);
  if (available !== undefined) conditions.push(available ? 's.booked < s.capacity' : 's.booked >= s.capacity');
  return conditions;
}

const toDto = (row: Row): VaccinationSessionDto => rowToSessionDto(row, distanceOf(row));

const distanceOf = ({ distance }: Row): number | null => (distance === null ? null : Number(distance));

const toCursorKey = (row: Row): string =>
  JSON.stringify([distanceOf(row) ?? 0, new Date(row.starts_at).getTime(), row.id] satisfies Position);

function readPosition(cursor: string | undefined): Position | undefined {
  const key = readCursor(cursor, (text) => parsePosition(text) !== undefined);
  return key === undefined ? undefined : parsePosition(key);
}

function parsePosition(text: string): Position | undefined {
  const match = /^\[(\d{1,5}(?:\.\d)?),(-?\d{1,14}),"([0-9a-f-]{36})"\]$/.exec(text);
  if (!match || !isUuid(match[3])) return undefined;
  return [Number(match[1]), Number(match[2]), match[3]!];
}
