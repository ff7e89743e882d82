-- 500 centres with staff, lots and as many sessions as :rows, in the 200 days before and after now; those with
-- a waitlist are full. Each registration has
-- one appointment in the session of its number, and a dose with a certificate if that session is over. One
-- session has 100 appointments. person1 is a manager of 60 centres.
insert into vaccines (id, code, name, manufacturer, disease, doses, created_at, updated_at)
select pg_temp.id('vaccine', i), 'LARGE-' || i, 'Vaccine ' || i, 'Test Works', '840539006',
  '[{"min_interval_days": 0, "recommended_interval_days": 0, "grace_days": 0},
    {"min_interval_days": 28, "recommended_interval_days": 56, "grace_days": 4}]', now(), now()
from generate_series(0, 59) i;
insert into vaccination_centres (id, code, name, address, district, latitude, longitude, time_zone, status, created_at, updated_at)
select pg_temp.id('centre', i), 'LARGE-' || i, 'Centre ' || i, 'Road ' || i, 'District ' || i % 64, 22 + i % 30 / 10.0,
  89 + i % 30 / 10.0, 'Asia/Dhaka', 'active', now(), now()
from generate_series(0, 499) i;
insert into vaccination_centre_staff (centre_id, user_id, role, created_at)
select pg_temp.id('centre', i % 500), pg_temp.id('user', 2 + i % (:rows - 2)), 'vaccinator', now() from generate_series(1, least(10000, :rows - 2)) i
union all select pg_temp.id('centre', i), pg_temp.id('user', 1), 'manager', now() from generate_series(0, 59) i;
insert into vaccine_lots (id, centre_id, vaccine_id, number, expires_on, received, recalled_at, recall_reason,
  created_at, updated_at)
select pg_temp.id('lot', i), pg_temp.id('centre', i % 500), pg_temp.id('vaccine', i % 20), 'LOT-' || i / 100, current_date + 300, 1000,
  case when i = 1 then now() end, case when i = 1 then 'Too warm.' end, now(), now()
from generate_series(0, :some) i;
insert into vaccine_recalls (id, vaccine_id, number, reason, created_at)
select pg_temp.id('recall', i), pg_temp.id('vaccine', i % 20), 'RECALLED-' || i, 'Too warm.', now() from generate_series(1, 60) i;

insert into vaccination_sessions (id, centre_id, vaccine_id, starts_at, ends_at, opens_at, capacity, booked, status, created_at, updated_at)
select pg_temp.id('day', i), pg_temp.id('centre', i % 500), pg_temp.id('vaccine', i % 20),
  date_trunc('hour', now()) + (i % 400 - 200) * interval '1 day', date_trunc('hour', now()) + (i % 400 - 200) * interval '1 day' + interval '3 hours',
  now() - interval '300 days', case when i <= :some then 1 else 100 end, 1, case when i % 400 < 200 then 'closed' else 'open' end, now(), now()
from generate_series(1, :rows) i;

-- A tenth of the registrations waits for a check, and a hundredth has a phone number.
insert into vaccination_registrations (id, user_id, place, legal_name, date_of_birth, sex, id_type, id_number, id_hash, id_last4, phone,
  status, created_at, updated_at)
select pg_temp.id('registration', i), pg_temp.id('user', case when i < 5 then 1 else i end), case when i < 5 then i - 1 else 0 end,
  'Person ' || i, date '1950-01-01' + i % 20000, case when i % 2 = 0 then 'female' else 'male' end, 'NID', pg_temp.bytes('number', i),
  pg_temp.bytes('number hash', i), '1234',
  case when i % 100 = 1 then '+8801' || 700000000 + i end, case when i % 10 = 9 then 'pending' else 'verified' end, now(), now()
from generate_series(1, :rows) i;
insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
select pg_temp.id('appointment', i), pg_temp.id('registration', i), pg_temp.id('day', i), '840539006', 1,
  case when i % 400 >= 200 then 'booked' when i % 50 = 0 then 'no_show' else 'fulfilled' end, now(), now()
from generate_series(1, :rows) i;
insert into vaccination_appointments (id, registration_id, session_id, disease, dose, status, created_at, updated_at)
select pg_temp.id('appointment', :rows + i), pg_temp.id('registration', i), pg_temp.id('day', 1050), '840539006', 2, 'booked', now(), now()
from generate_series(1, 99) i;
update vaccination_sessions set capacity = 100, booked = 100 where id = pg_temp.id('day', 1050);
insert into vaccination_booking_requests (key, hash, appointment_id, created_at)
select pg_temp.bytes('request', i), 'x', pg_temp.id('appointment', i), now() from generate_series(1, :rows) i;
insert into vaccination_waitlist_entries (session_id, registration_id, created_at)
select pg_temp.id('day', i), pg_temp.id('registration', i + 1), now() from generate_series(1, :some) i;
insert into vaccination_reminders (subject_id, session_id, created_at)
select pg_temp.id('appointment', i), pg_temp.id('day', i), now() from generate_series(1, :rows) i;

insert into vaccination_doses (id, registration_id, appointment_id, centre_id, vaccine_id, lot_id, disease, dose, status, vaccinator_id,
  site, route, given_at, created_at)
select pg_temp.id('dose', i), pg_temp.id('registration', i), pg_temp.id('appointment', i), pg_temp.id('centre', i % 500),
  pg_temp.id('vaccine', i % 20), pg_temp.id('lot', i % least(1000, :some)), '840539006', 1, 'completed', pg_temp.id('user', 2 + i % least(10000, :rows - 2)), 'LA', 'IM',
  date_trunc('hour', now()) + (i % 400 - 200) * interval '1 day' + interval '1 hour', now()
from generate_series(1, :rows) i where i % 400 < 200 and i % 50 <> 0;
insert into vaccination_certificates (id, dose_id, uvci, rid, hcert, shc, hcert_kid, shc_kid, issued_at, expires_at, revoked_at)
select pg_temp.id('certificate', i), pg_temp.id('dose', i), 'URN:UVCI:01:BD:LARGE-' || i, 'rid' || i, 'HC1:', 'shc:/', 'k', 'k', now(),
  now() + interval '1 year', case when i % 100 = 1 then now() end
from generate_series(5, :rows) i where i % 400 < 200 and i % 50 <> 0;
insert into vaccination_adverse_events (id, dose_id, centre_id, code, severity, is_serious, onset_at, status, recorded_by, created_at)
select pg_temp.id('event', i), pg_temp.id('dose', 400 * (i % (:rows / 400)) + 1 + i % 10), pg_temp.id('centre', i % 500), 'fever', 'mild', false, now() + i * interval '1 second', 'recorded',
  pg_temp.id('user', 2 + i % least(10000, :rows - 2)), now()
from generate_series(1, :some) i;
