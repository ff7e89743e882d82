-- Conversations of five members with five messages; the first one has 500 members and a fiftieth of :rows more messages. person1 is in 100
-- conversations. In most conversations messages were edited and reactions given.
insert into conversations (id, name, last_sequence, revision, members_count, created_at) overriding system value
select i, 'Conversation ' || i, 5, 7, 5, now() from generate_series(1, :some) i;
update conversations set last_sequence = 5 + :rows / 50, revision = 7 + :rows / 50, members_count = 500 where id = 1;
select setval(pg_get_serial_sequence('conversations', 'id'), :some);

insert into conversation_members (conversation_id, participant_id, created_at)
select distinct c, 1001 + (c * 5 + k) % :rows, now() from generate_series(1, :some) c, generate_series(0, 4) k
union select c, 1001, now() from generate_series(1, 100) c
union select 1, 1000 + k, now() from generate_series(1, 500) k;
update conversation_members set role = 'owner' where participant_id = 1001;

insert into messages (id, conversation_id, sequence, revision, sender_id, nonce, content, sent_at) overriding system value
select (s - 1) * :some + c, c, s, s, 1001 + (c * 5 + s) % :rows, pg_temp.id('nonce', (s - 1) * :some + c),
  'The ferry ' || md5(c::text || s) || ' leaves the harbour at seven.', now() - (10 - s) * interval '1 hour'
from generate_series(1, 5) s, generate_series(1, :some) c;
insert into messages (id, conversation_id, sequence, revision, sender_id, nonce, content, sent_at) overriding system value
select 5 * :some + i, 1, 5 + i, 7 + i, 1001 + i % 500, pg_temp.id('nonce', 5 * :some + i),
  'The ferry ' || md5(i::text) || ' leaves the harbour at seven.', now() - (:rows / 50 - i) * interval '1 second'
from generate_series(1, :rows / 50) i;
select setval(pg_get_serial_sequence('messages', 'id'), 5 * :some + :rows / 50);

insert into conversation_events (conversation_id, revision, kind, actor_id, message_id, value, created_at)
select c, 6, 'message_edited', 1001 + (c * 5 + 1) % :rows, c, null, now() from generate_series(1, :some) c
union all select c, 7, 'reaction', 1001 + (c * 5 + 2) % :rows, c, '🎉', now() from generate_series(1, :some) c;
insert into message_versions (conversation_id, message_id, revision, content, replaced_by_id, replaced_at)
select c, c, 1, 'The ferry leaves at six.', 1001 + (c * 5 + 1) % :rows, now() from generate_series(1, :some) c;
insert into message_reactions (conversation_id, message_id, participant_id, emoji, created_at)
select distinct c, c, 1001 + (c * 5 + k) % :rows, '🎉', now() from generate_series(1, :some) c, generate_series(0, 4) k;
insert into message_texts (conversation_id, message_id, folded)
select conversation_id, id, fold_text(content) from messages where conversation_id <= :some / 4;
insert into message_search_positions (conversation_id, message_id)
select conversation_id, max(id) from messages where conversation_id <= :some / 4 group by conversation_id;

-- person1 has 60 contacts, 60 requests and has blocked 60 users.
insert into contacts (participant_id, contact_id, created_at)
with pairs (a, b) as (
  select 1001, 1001 + k from generate_series(1, 60) k
  union all select 1000 + 2 * i, 1001 + 2 * i from generate_series(40, :some) i
) select a, b, now() from pairs union all select b, a, now() from pairs;
insert into contact_requests (first_id, second_id, sender_id, created_at)
select 1001, 1101 + k, 1101 + k, now() from generate_series(1, 60) k
union all select 2000 + i, 2001 + i, 2000 + i, now() from generate_series(1, :some) i;
insert into blocks (participant_id, blocked_id, created_at)
select 1001, 1201 + k, now() from generate_series(1, 60) k
union all select 2000 + i, 2005 + i, now() from generate_series(1, :some) i;

insert into attachments (id, owner_id, conversation_id, message_id, position, format, width, height, sizes, created_at)
select pg_temp.id('attachment', c), 1001 + (c * 5 + 1) % :rows, c, c, 1, 'jpeg', 800, 600, '{}', now() from generate_series(1, :some) c;
insert into push_subscriptions (id, user_id, session_id, endpoint, p256dh, auth, created_at)
select pg_temp.id('subscription', i), pg_temp.id('user', i), pg_temp.id('session', i), 'https://push.example.org/' || i,
  decode(repeat('04', 65), 'hex'), decode(repeat('05', 16), 'hex'), now()
from generate_series(2, :some) i;
