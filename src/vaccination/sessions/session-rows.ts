import type { SessionStatus } from './vaccination-session.entity.js';
import type { VaccinationSessionDto } from './vaccination-sessions.dto.js';

/** What is shown of session `s`, of its centre `c` and of its vaccine `v`. */
export const SESSION_COLUMNS = `s.id, s.dose, s.starts_at, s.ends_at, s.opens_at, s.capacity, s.capacity - s.booked as available,
  s.walk_in_capacity, s.status, s.cancellation_reason, c.id as centre_id, c.name as centre_name, c.address, c.district, c.latitude,
  c.longitude, c.time_zone, v.id as vaccine_id, v.code, v.name as vaccine_name`;

/** Joins the centre and the vaccine of session `s`. */
export const SESSION_JOINS = 'join vaccination_centres c on c.id = s.centre_id join vaccines v on v.id = s.vaccine_id';

/** A row with SESSION_COLUMNS; the times are texts in the format of JSON (JSON_TIMES). */
export interface SessionRow {
  id: string;
  dose: number | null;
  starts_at: string;
  ends_at: string;
  opens_at: string;
  capacity: number;
  available: number;
  walk_in_capacity: number;
  status: SessionStatus;
  cancellation_reason: string | null;
  centre_id: string;
  centre_name: string;
  address: string;
  district: string;
  latitude: number;
  longitude: number;
  time_zone: string;
  vaccine_id: string;
  code: string;
  vaccine_name: string;
}

/** `distance` is in kilometres. The times stay texts: they are only sent. */
export const rowToSessionDto = (row: SessionRow, distance: number | null = null): VaccinationSessionDto =>
  ({
    id: row.id,
    dose: row.dose,
    starts_at: row.starts_at,
    ends_at: row.ends_at,
    opens_at: row.opens_at,
    capacity: row.capacity,
    walk_in_capacity: row.walk_in_capacity,
    status: row.status,
    cancellation_reason: row.cancellation_reason,
    centre: {
      id: row.centre_id,
      name: row.centre_name,
      address: row.address,
      district: row.district,
      latitude: row.latitude,
      longitude: row.longitude,
      time_zone: row.time_zone,
    },
    vaccine: { id: row.vaccine_id, code: row.code, name: row.vaccine_name },
    available: row.available,
    distance_km: distance,
  }) as unknown as VaccinationSessionDto;
