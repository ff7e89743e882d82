import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository, type SelectQueryBuilder } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { Clock } from '../../common/clock.provider.js';
import { readCursor, toPage } from '../../http/pagination.dto.js';
import { Problem, validationFailed } from '../../http/problems/problem.js';
import type { Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import {
  toSessionDto,
  type VaccinationSessionDto,
  type VaccinationSessionsPageDto,
  type VaccinationSessionsQueryDto,
} from './vaccination-sessions.dto.js';
import { VaccinationSession } from './vaccination-session.entity.js';

/** Great-circle distance in kilometres, rounded to 100 m so that a cursor can hold it. */
const DISTANCE = `round((6371 * 2 * asin(least(1, sqrt(power(sin(radians(c.latitude - :latitude) / 2), 2)
  + cos(radians(:latitude)) * cos(radians(c.latitude)) * power(sin(radians(c.longitude - :longitude) / 2), 2)))))::numeric, 1)`;

/** The position of a row: [distance or 0, start in milliseconds, id]. */
type Position = [distance: number, startsAt: number, id: string];

type Row = { session: VaccinationSession; distance: number | null };

/** Finds sessions for people who look for a place. */
@Injectable()
export class SessionSearchService {
  constructor(
    @InjectRepository(VaccinationSession) private readonly sessions: Repository<VaccinationSession>,
    private readonly staff: CentreStaffService,
    private readonly clock: Clock,
  ) {}

  /** Lists sessions, the nearest or the earliest first. Throws `forbidden`, `invalid_cursor`, `validation_failed`. */
  async list(caller: Caller, query: VaccinationSessionsQueryDto): Promise<VaccinationSessionsPageDto> {
    await this.assertMaySee(caller, query);
    const near = query.near === undefined ? undefined : parsePoint(query.near);
    const as_of = this.clock.date();
    const builder = this.builder(query, near);
    const after = readPosition(query.cursor);
    if (after) whereAfter(builder, after, near !== undefined);
    const rows = await read(builder.limit(query.limit + 1), near !== undefined);
    return { ...toPage(rows, query.limit, toCursorKey, toDto), as_of };
  }

  /** Drafts are not announced yet: only the staff of their centre sees them. */
  private async assertMaySee(caller: Caller, { status, centre }: VaccinationSessionsQueryDto): Promise<void> {
    if (status !== 'draft' || caller.permissions.manage_vaccines) return;
    if (centre === undefined)
      throw new Problem('forbidden', { detail: 'Name your centre as "centre" to list drafts.' });
    await this.staff.assertRole(caller, centre, ...STAFF_ROLES);
  }

  private builder(query: VaccinationSessionsQueryDto, near?: Point): SelectQueryBuilder<VaccinationSession> {
    const builder = this.sessions
      .createQueryBuilder('s')
      .innerJoinAndSelect('s.centre', 'c')
      .innerJoinAndSelect('s.vaccine', 'v')
      .setParameters({ now: this.clock.date(), ...near });
    if (near) builder.addSelect(DISTANCE, 'distance').orderBy('distance');
    builder.addOrderBy('s.starts_at').addOrderBy('s.id');
    if (query.status) builder.where('s.status = :status', { status: query.status });
    else builder.where(`s.status = 'open' and s.ends_at > :now and c.status = 'active' and v.is_active`);
    const { vaccine, dose, centre, district, from, to, available } = query;
    if (vaccine) builder.andWhere('s.vaccine_id = :vaccine', { vaccine });
    if (dose) builder.andWhere('(s.dose is null or s.dose = :dose) and jsonb_array_length(v.doses) >= :dose', { dose });
    if (centre) builder.andWhere('s.centre_id = :centre', { centre });
    if (district) builder.andWhere('c.district = :district', { district });
    if (from) builder.andWhere(`s.starts_at >= (:from::date)::timestamp at time zone c.time_zone`, { from });
    if (to) builder.andWhere(`s.starts_at < (:to::date + 1)::timestamp at time zone c.time_zone`, { to });
    if (available !== undefined) builder.andWhere(available ? 's.booked < s.capacity' : 's.booked >= s.capacity');
    return builder;
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

async function read(builder: SelectQueryBuilder<VaccinationSession>, hasDistance: boolean): Promise<Row[]> {
  const { entities, raw } = await builder.getRawAndEntities<{ distance?: string }>();
  return entities.map((session, index) => ({
    session,
    distance: hasDistance ? Number(raw[index]!.distance) : null,
  }));
}

const toDto = ({ session, distance }: Row): VaccinationSessionDto => toSessionDto(session, distance);

const toCursorKey = ({ session, distance }: Row): string =>
  JSON.stringify([distance ?? 0, session.starts_at.getTime(), session.id] satisfies Position);

function readPosition(cursor: string | undefined): Position | undefined {
  const key = readCursor(cursor, (text) => parsePosition(text) !== undefined);
  return key === undefined ? undefined : parsePosition(key);
}

function parsePosition(text: string): Position | undefined {
  const match = /^\[(\d{1,5}(?:\.\d)?),(-?\d{1,14}),"([0-9a-f-]{36})"\]$/.exec(text);
  if (!match || !isUuid(match[3])) return undefined;
  return [Number(match[1]), Number(match[2]), match[3]!];
}

function whereAfter(
  builder: SelectQueryBuilder<VaccinationSession>,
  [distance, startsAt, id]: Position,
  hasDistance: boolean,
): void {
  const position = { afterDistance: distance, afterStart: new Date(startsAt), afterId: id };
  if (hasDistance) {
    builder.andWhere(`(${DISTANCE}, s.starts_at, s.id) > (:afterDistance, :afterStart, :afterId)`, position);
  } else builder.andWhere('(s.starts_at, s.id) > (:afterStart, :afterId)', position);
}
