import { ICalCalendar, ICalCalendarMethod, ICalEventStatus } from 'ical-generator';
import type { CalendarEvent } from '../../mail/mail-transport.js';

interface AppointmentEvent {
  id: string;
  /** How often the appointment was moved. */
  moves: number;
  isCancelled: boolean;
  starts_at: Date;
  ends_at: Date;
  centre: string;
  address: string;
  vaccine: string;
  dose: number;
  now: Date;
  app: string;
  from: string;
  to: string;
}

/**
 * An appointment for the calendar of its owner. The UID stays, so that calendars replace the event; SEQUENCE grows with each move,
 * and with the cancellation (RFC 5546).
 */
export function toCalendarEvent(event: AppointmentEvent): CalendarEvent {
  const { id, moves, isCancelled, starts_at, ends_at, centre, address, vaccine, dose, now, app, from, to } = event;
  const method = isCancelled ? ICalCalendarMethod.CANCEL : ICalCalendarMethod.REQUEST;
  const calendar = new ICalCalendar({ method, prodId: { company: app, product: 'vaccination', language: 'EN' } });
  calendar.createEvent({
    id: `${id}@${from.split('@').at(-1)}`,
    sequence: isCancelled ? moves + 1 : moves,
    status: isCancelled ? ICalEventStatus.CANCELLED : ICalEventStatus.CONFIRMED,
    stamp: now,
    start: starts_at,
    end: ends_at,
    summary: `${vaccine}, dose ${dose}`,
    location: `${centre}, ${address}`,
    organizer: { name: app, email: from },
    attendees: [{ email: to, rsvp: false }],
  });
  return { method, content: calendar.toString() };
}
