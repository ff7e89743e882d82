// Shared by the benches of bookings: a vaccine, a centre, and people who may book.

/** Creates a vaccine with one dose, and a centre. Returns the id of the centre. */
export async function makeCentre(query) {
  await query(`insert into vaccines (id, code, name, manufacturer, disease, doses, created_at, updated_at)
    values (gen_random_uuid(), 'V', 'Vaccine', 'Maker', '840539006', '[{"min_interval_days": 0, "recommended_interval_days": 0, "grace_days": 0}]', now(), now())`);
  const { rows } =
    await query(`insert into vaccination_centres (id, code, name, address, district, latitude, longitude, time_zone, status, created_at, updated_at)
    values (gen_random_uuid(), 'C', 'Centre', 'Address', 'Dhaka', 23.7, 90.4, 'Asia/Dhaka', 'active', now(), now()) returning id`);
  return rows[0].id;
}

/** Creates sessions with this many places each, open for bookings. Returns their ids. */
export async function makeSessions(query, count, capacity) {
  const { rows } = await query(
    `insert into vaccination_sessions (id, centre_id, vaccine_id, starts_at, ends_at, opens_at, capacity, status, created_at, updated_at)
    select gen_random_uuid(), (select id from vaccination_centres), (select id from vaccines), now() + interval '7 days',
      now() + interval '8 days', now() - interval '1 day', $2, 'open', now(), now() from generate_series(1, $1::int) returning id`,
    [count, capacity],
  );
  return rows.map(({ id }) => id);
}

/** Registers users as verified people. Returns the ids of their registrations and their tokens. */
export async function registerPeople(query, users) {
  const { rows } = await query(
    `insert into vaccination_registrations (id, user_id, place, legal_name, date_of_birth, id_type, id_number, id_hash, id_last4, status, created_at, updated_at)
    select gen_random_uuid(), id, 0, 'Person', '1990-05-17', 'PASSPORT', '', sha256(id::text::bytea), '0000', 'verified', now(), now()
    from unnest($1::uuid[]) id returning id, user_id`,
    [users.map(({ user_id }) => user_id)],
  );
  const tokens = new Map(users.map(({ user_id, token }) => [user_id, token]));
  return rows.map(({ id, user_id }) => ({ id, token: tokens.get(user_id) }));
}
