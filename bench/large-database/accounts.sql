-- Users and what belongs to accounts. :rows and :some are numbers of rows; person1 has many of each kind.
create function pg_temp.id(kind text, n bigint) returns uuid immutable language sql
return ('0190' || substr(md5(kind), 1, 4) || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid;

create function pg_temp.bytes(kind text, n bigint) returns bytea immutable language sql
return sha256(convert_to(kind || n, 'utf8'));

insert into users (id, username, email, email_verified_at, fullname, created_at, updated_at)
select pg_temp.id('user', i), 'person' || i, 'person' || i || '@example.net', now(),
  initcap(substr(md5(i::text), 1, 7)) || ' ' || initcap(substr(md5(i::text), 9, 9)), now() - i * interval '1 minute', now()
from generate_series(1, :rows) i;

insert into participants (id, user_id) overriding system value
select 1000 + i, pg_temp.id('user', i) from generate_series(1, :rows) i;
select setval(pg_get_serial_sequence('participants', 'id'), 1000 + :rows);

insert into groups (id, name, created_at, updated_at)
select pg_temp.id('group', i), 'Group ' || i, now(), now() from generate_series(1, 200) i;
insert into group_members (group_id, user_id, created_at)
select pg_temp.id('group', 1 + i % 200), pg_temp.id('user', i), now() from generate_series(1, :rows) i;

-- Each user has one session, person1 has 60 more.
insert into sessions (id, user_id, token_id, issued_at, user_agent, ip, created_at, last_used_at)
select pg_temp.id('session', i), pg_temp.id('user', case when i > :rows then 1 else i end), pg_temp.id('token', i), now(),
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '203.0.113.7', now(), now()
from generate_series(1, :rows + 60) i;
insert into known_devices (user_id, name, last_seen_at)
select pg_temp.id('user', i), 'Firefox on Linux', now() from generate_series(1, :rows) i;
insert into password_sign_ins (user_id, last_at) select pg_temp.id('user', i), now() from generate_series(1, :rows) i;

insert into audit_events (at, action, succeeded, actor_id, subject_id, ip)
select now(), case i % 4 when 0 then 'session.created' when 1 then 'session.refreshed' when 2 then 'user.created' else 'session.ended' end,
  true, pg_temp.id('user', case when i % 500 = 0 then 1 else i end), pg_temp.id('user', case when i % 500 = 0 then 1 else i end), '203.0.113.7'
from generate_series(1, :rows) i;

insert into mails (id, kind, address_key, state, created_at, due_at, expires_at, settled_at)
select pg_temp.id('mail', i), 'email_verification', pg_temp.bytes('mail', i), 'sent', now(), now(), now() + interval '1 day', now()
from generate_series(1, :rows) i;
insert into rate_limit_counters (key, count, until, seen_at)
select pg_temp.bytes('counter', i), 1, now() + interval '1 hour', now() from generate_series(1, :rows) i;

insert into password_resets (address_key, user_id, code_hash, tries_left, expires_at)
select pg_temp.bytes('reset', i), pg_temp.id('user', i), pg_temp.bytes('code', i), 5, now() + interval '1 hour'
from generate_series(1, :some) i;
insert into method_removal_links (user_id, token_hash, created_at, expires_at)
select pg_temp.id('user', i), pg_temp.bytes('removal', i), now(), now() + interval '7 days' from generate_series(2, :some) i;
insert into email_verifications (user_id, token_hash, expires_at)
select pg_temp.id('user', i), pg_temp.bytes('verification', i), now() + interval '1 day' from generate_series(2, :some) i;
insert into external_identities (id, user_id, issuer, subject, created_at, last_used_at)
select pg_temp.id('identity', i), pg_temp.id('user', i % (:some - 20) + 1), 'trusted-subject', 'subject-' || i, now(), now()
from generate_series(1, :some) i;
insert into passkeys (id, user_id, name, credential_id, public_key, counter, is_synced, created_at)
select pg_temp.id('passkey', i), pg_temp.id('user', 1 + i), 'Phone', 'credential-' || i, 'x', 0, true, now()
from generate_series(1, :some) i;
insert into passkey_challenges (challenge, user_id, expires_at)
select 'challenge-' || i, null, now() + interval '90 days' from generate_series(1, :some) i;
insert into two_factor (user_id, secret, confirmed_at)
select pg_temp.id('user', 1 + i), pg_temp.bytes('secret', i), now() from generate_series(1, :some) i;
insert into two_factor_challenges (challenge_hash, user_id, expires_at)
select pg_temp.bytes('challenge', i), pg_temp.id('user', 1 + i), now() + interval '90 days' from generate_series(1, :some) i;
insert into data_exports (id, user_id, session_id, state, total, problem, created_at, finished_at, expires_at)
select pg_temp.id('export', i), pg_temp.id('user', 1 + i), pg_temp.id('session', 1 + i), 'failed', 5, 'storage_failed', now(), now(),
  now() + interval '7 days'
from generate_series(1, :some) i;

-- A fifth of the avatars waits for a moderator.
insert into avatars (id, user_id, state, hash, resembles_rejected, created_at, decided_at)
select pg_temp.id('avatar', i), pg_temp.id('user', 1 + i), case when i % 5 = 0 then 'pending' else 'approved' end,
  ('x' || md5(i::text))::bit(128)::text, false, now(), case when i % 5 = 0 then null else now() end
from generate_series(1, :some) i;
update users u set avatar_id = a.id from avatars a where a.user_id = u.id and a.state = 'approved';
