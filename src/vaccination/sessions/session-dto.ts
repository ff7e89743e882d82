import type { VaccinationSessionDto } from './vaccination-sessions.dto.js';
import type { VaccinationSession } from './vaccination-session.entity.js';

/** A session with its centre and vaccine loaded; `distance` is in kilometres. */
export function toSessionDto(session: VaccinationSession, distance: number | null = null): VaccinationSessionDto {
  const {
    centre,
    vaccine,
    centre_id: _centreId,
    vaccine_id: _vaccineId,
    booked,
    walk_ins: _walkIns,
    ...rest
  } = session;
  const { created_at: _created, updated_at: _updated, ...fields } = rest;
  const { id, name, address, district, latitude, longitude, time_zone } = centre;
  return {
    ...fields,
    centre: { id, name, address, district, latitude, longitude, time_zone },
    vaccine: { id: vaccine.id, code: vaccine.code, name: vaccine.name },
    available: session.capacity - booked,
    distance_km: distance,
  };
}
