import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { MailsService, type NewMessage } from '../../mail/mails.service.js';
import { addDays, dayOf, instantOf } from '../days.js';
import { toCalendarEvent } from './appointment-calendar.js';
import { type MessageValues, type MessageKind, writeVaccinationMail, writeVaccinationSms } from './message-texts.js';
import type { NoticeKind } from './notice.entity.js';

const BATCH_SIZE = 100;
const DAY_MS = 86_400_000;
const LIFETIME_MS = 3 * DAY_MS;

/** Takes notices that no other process has taken. */
const TAKE = `with taken as (
  delete from vaccination_notices where id in (
    select id from vaccination_notices order by id limit ${BATCH_SIZE} for update skip locked
  ) returning *
)
select t.kind, coalesce(a.id, d.id) as id, coalesce(a.dose, d.dose) as dose, a.moves, a.status, s.status as session_status,
  s.starts_at, s.ends_at, d.given_at, s.cancellation_reason, l.recall_reason, v.name as vaccine, c.name as centre, c.address,
  c.time_zone, r.phone, (v.doses -> d.dose::integer ->> 'recommended_interval_days')::integer as next_interval,
  case when u.email_verified_at is not null and u.is_active then u.email end as email
from taken t
left join vaccination_appointments a on a.id = t.appointment_id
left join vaccination_sessions s on s.id = a.session_id
left join vaccination_doses d on d.id = t.dose_id
left join vaccine_lots l on l.id = d.lot_id
join vaccines v on v.id = coalesce(s.vaccine_id, d.vaccine_id)
join vaccination_centres c on c.id = coalesce(s.centre_id, d.centre_id)
join vaccination_registrations r on r.id = coalesce(a.registration_id, d.registration_id)
left join users u on u.id = r.user_id
order by t.id`;

const HAS_MORE = `select exists (select from vaccination_notices) as has_more`;

interface Row {
  kind: NoticeKind;
  id: string;
  dose: number;
  moves: number;
  status: string;
  session_status: string;
  starts_at: Date;
  ends_at: Date;
  given_at: Date;
  cancellation_reason: string | null;
  recall_reason: string | null;
  vaccine: string;
  centre: string;
  address: string;
  time_zone: string;
  phone: string | null;
  next_interval: number | null;
  email: string | null;
}

/** Writes the mails and SMS about notices. */
@Injectable()
export class VaccinationMessagesService {
  constructor(
    private readonly mails: MailsService,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /**
   * Replaces some notices by messages in the outbox, in the given transaction: a notice is lost with neither, and gives its
   * messages once. Returns whether there may be more notices.
   */
  async writeNext(manager: EntityManager): Promise<boolean> {
    const rows: Row[] = await manager.query(TAKE);
    const messages = rows.filter((row) => !this.isOutdated(row)).flatMap((row) => this.messagesOf(row));
    await this.mails.enqueueWritten(manager, messages);
    const [{ has_more }] = await manager.query(HAS_MORE);
    return has_more && rows.length > 0;
  }

  /** A reminder of an appointment that was cancelled meanwhile. */
  private isOutdated({ kind, status, starts_at }: Row): boolean {
    return kind === 'reminder' && (status !== 'booked' || starts_at <= this.clock.date());
  }

  private messagesOf(row: Row): NewMessage[] {
    const kind: MessageKind =
      row.kind === 'cancelled' && row.session_status === 'cancelled' ? 'session_cancelled' : row.kind;
    const values = this.valuesOf(kind, row);
    const now = this.clock.now();
    const lifetime = kind === 'reminder' ? row.starts_at.getTime() : now + LIFETIME_MS;
    const common = { kind: `vaccination_${kind}`, expiresAt: new Date(lifetime) };
    const messages: NewMessage[] = [];
    if (row.email !== null) {
      const calendar = this.calendarOf(kind, row, row.email);
      const mail = writeVaccinationMail(kind, values);
      messages.push({ ...common, channel: 'email', to: row.email, ...mail, ...(calendar ? { calendar } : {}) });
    }
    if (row.phone !== null) {
      const text = writeVaccinationSms(kind, values);
      messages.push({ ...common, channel: 'sms', to: row.phone, subject: '', text });
    }
    return messages;
  }

  private valuesOf(kind: MessageKind, row: Row): MessageValues {
    const isNext = kind === 'next_dose';
    const reasons: Partial<Record<MessageKind, string | null>> = {
      session_cancelled: row.cancellation_reason,
      lot_recalled: row.recall_reason,
    };
    return {
      app: this.config.APP_NAME,
      vaccine: row.vaccine,
      dose: isNext ? row.dose + 1 : row.dose,
      centre: row.centre,
      address: row.address,
      timeZone: row.time_zone,
      at: isNext ? recommendedDay(row) : (row.starts_at ?? row.given_at),
      reference: row.id.slice(-8),
      reason: reasons[kind] ?? null,
    };
  }

  /** The reminder carries no event: the calendar has it. */
  private calendarOf(kind: MessageKind, row: Row, to: string) {
    if (!['booked', 'promoted', 'moved', 'cancelled', 'session_cancelled'].includes(kind)) return undefined;
    return toCalendarEvent({
      ...row,
      isCancelled: row.status === 'cancelled',
      now: this.clock.date(),
      app: this.config.APP_NAME,
      from: this.config.MAIL_FROM,
      to,
    });
  }
}

/** Noon of the day that is recommended for the next dose: a number of hours after the last one may be another day. */
const recommendedDay = ({ given_at, next_interval, time_zone }: Row): Date =>
  instantOf(time_zone, addDays(dayOf(given_at, time_zone), next_interval ?? 0), '12:00');
