/**
 * Books a place by one statement, with the same rules as Machi as far as one statement can have them; the index and the triggers hold
 * the others. $1 the id of the appointment, $2 of the registration, $3 of the user, $4 of the session, $5 now.
 */
export const BOOK = {
  name: 'book',
  text: `insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
    select $1, r.id, s.id, v.disease, 1, 'booked', $5, $5
    from vaccination_registrations r, vaccination_sessions s join vaccines v on v.id = s.vaccine_id
    where r.id = $2 and r.user_id = $3 and r.status = 'verified' and s.id = $4 and s.status = 'open' and s.opens_at <= $5
      and s.ends_at > $5 and s.booked < s.capacity`,
};
