import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { DAY_SHEET_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import type { Caller } from '../../users/caller.js';
import { CentreStaffService } from '../centres/centre-staff.service.js';
import { STAFF_ROLES } from '../centres/centre-staff-member.entity.js';
import { maskedNumber } from '../registrations/national-id.js';
import { RegistrationReviewsService } from '../registrations/registration-reviews.service.js';
import { toSessionDto } from '../sessions/vaccination-sessions.dto.js';
import { VaccinationSessionsService } from '../sessions/vaccination-sessions.service.js';
import type { DaySheetDto, DaySheetQueryDto, DaySheetRowDto } from './day-sheets.dto.js';

/** People in one part of a sheet: a bound for the memory and the time that a request takes. */
const PART_SIZE = 1000;

/** $1 session, $2 how many people, $3 after how many. */
const ROWS = `select row_number() over (order by lower(r.legal_name), a.id)::int as number, a.id as appointment_id,
    r.id as registration_id, r.legal_name, r.date_of_birth::text, r.sex, r.id_type, r.id_last4, a.dose, a.status, a.is_walk_in,
    a.checked_in_at, d.given_at, l.number as lot_number, count(*) over ()::int as total
  from vaccination_appointments a
  join vaccination_registrations r on r.id = a.registration_id
  left join vaccination_doses d on d.appointment_id = a.id and d.status = 'completed'
  left join vaccine_lots l on l.id = d.lot_id
  where a.session_id = $1 and a.status <> 'cancelled'
  order by 1 limit $2 offset $3`;

type Row = Omit<DaySheetRowDto, 'id_number'> & { id_last4: string; total: number };

/** The people of a session on one sheet. */
@Injectable()
export class DaySheetsService {
  constructor(
    @InjectEntityManager() private readonly manager: EntityManager,
    private readonly sessions: VaccinationSessionsService,
    private readonly staff: CentreStaffService,
    private readonly reviews: RegistrationReviewsService,
    private readonly quotas: QuotasService,
    private readonly clock: Clock,
  ) {}

  /**
   * A part of a day sheet, for the staff of the centre in person. The record of each person on it is read with the reason. It
   * has no number of an id, and no code for the check-in. Throws `vaccination_session_not_found`, `forbidden`, `rate_limited`.
   */
  async get(caller: Caller, sessionId: string, { part, reason }: DaySheetQueryDto): Promise<DaySheetDto> {
    const session = await this.sessions.get(caller, sessionId);
    await this.staff.assertStaff(caller, session.centre_id, ...STAFF_ROLES);
    await this.quotas.consume(DAY_SHEET_QUOTA, caller.id);
    const as_of = this.clock.date();
    const rows = await this.manager.query<Row[]>(ROWS, [sessionId, PART_SIZE, (part - 1) * PART_SIZE]);
    const people = [...new Set(rows.map(({ registration_id }) => registration_id))];
    await this.reviews.recordReads(this.manager, caller, people, reason);
    const total = rows[0]?.total ?? 0;
    const parts = Math.max(1, Math.ceil(total / PART_SIZE));
    return { session: toSessionDto(session), as_of, part, parts, total, items: rows.map(toRowDto) };
  }
}

const toRowDto = ({ id_last4, total: _total, ...row }: Row): DaySheetRowDto => ({
  ...row,
  id_number: maskedNumber(id_last4),
});
