import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The chat: its people and who of them is online, contacts, conversations, messages. */
export class Chat1795276000000 implements MigrationInterface {
  name = 'Chat1795276000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // What everything in the chat refers to: a small number, and it stays when its user goes.
  `create table participants (
    id bigint generated always as identity,
    user_id uuid,
    last_online_at timestamptz,
    constraint participants_pkey primary key (id),
    constraint participants_user_id_key unique (user_id),
    constraint participants_user_id_fkey foreign key (user_id) references users (id) on delete set null
  )`,
  `insert into participants (user_id) select id from users order by created_at, id`,
  `create function add_participant() returns trigger language plpgsql as $$
  begin
    insert into participants (user_id) values (new.id);
    return null;
  end $$`,
  `create trigger add_participant_of_user after insert on users for each row execute function add_participant()`,

  // Symmetric by constraint: each row needs the row of the other direction.
  `create table contacts (
    participant_id bigint not null,
    contact_id bigint not null,
    created_at timestamptz not null,
    constraint contacts_pkey primary key (participant_id, contact_id),
    constraint contacts_participant_id_fkey foreign key (participant_id) references participants (id) on delete cascade,
    constraint contacts_symmetric_fkey foreign key (contact_id, participant_id)
      references contacts (participant_id, contact_id) on delete cascade,
    constraint contacts_self_check check (participant_id <> contact_id)
  )`,

  // A process serving the chat; it holds an advisory lock on its id, which ends with it however it ends.
  `create table chat_nodes (
    id integer generated always as identity,
    seen_at timestamptz not null,
    constraint chat_nodes_pkey primary key (id)
  )`,
  `create table presences (
    participant_id bigint not null,
    node_id integer not null,
    constraint presences_pkey primary key (participant_id, node_id),
    constraint presences_participant_id_fkey foreign key (participant_id) references participants (id) on delete cascade,
    constraint presences_node_id_fkey foreign key (node_id) references chat_nodes (id) on delete cascade
  )`,
  `create index presences_node_id_idx on presences (node_id)`,

  // What was known about a deleted user goes; their messages stay, and their place in conversations.
  `create function bury_participant() returns trigger language plpgsql as $$
  begin
    delete from contacts where participant_id = new.id;
    delete from presences where participant_id = new.id;
    update participants set last_online_at = null where id = new.id;
    return null;
  end $$`,
  `create trigger bury_participant_of_deleted after update on participants
    for each row when (old.user_id is not null and new.user_id is null) execute function bury_participant()`,

  `create table conversations (
    id bigint generated always as identity,
    name text not null,
    last_sequence bigint not null default 0,
    revision bigint not null default 0,
    members_version bigint not null default 0,
    created_at timestamptz not null,
    constraint conversations_pkey primary key (id),
    constraint conversations_name_check check (length(name) between 1 and 100)
  )`,
  `create table conversation_members (
    conversation_id bigint not null,
    participant_id bigint not null,
    created_at timestamptz not null,
    constraint conversation_members_pkey primary key (conversation_id, participant_id),
    constraint conversation_members_conversation_id_fkey foreign key (conversation_id) references conversations (id) on delete cascade,
    constraint conversation_members_participant_id_fkey foreign key (participant_id) references participants (id)
  )`,
  `create index conversation_members_participant_id_idx on conversation_members (participant_id, conversation_id)`,
  `create table messages (
    id bigint generated always as identity,
    conversation_id bigint not null,
    sequence bigint not null,
    revision bigint not null,
    sender_id bigint not null,
    reply_id bigint,
    nonce uuid not null,
    content text not null,
    sent_at timestamptz not null,
    constraint messages_pkey primary key (conversation_id, id),
    constraint messages_sequence_key unique (conversation_id, sequence),
    constraint messages_nonce_key unique (nonce),
    constraint messages_conversation_id_fkey foreign key (conversation_id) references conversations (id) on delete cascade,
    constraint messages_sender_id_fkey foreign key (sender_id) references participants (id),
    constraint messages_reply_fkey foreign key (conversation_id, reply_id) references messages (conversation_id, id),
    constraint messages_content_check check (length(content) between 1 and 16000)
  )`,

  // Whoever changes the members takes the conversation's row, as whoever appends to it does: both know who is meant.
  `create function count_members_change() returns trigger language plpgsql as $$
  begin
    update conversations c set revision = revision + 1, members_version = revision + 1
      where c.id in (select conversation_id from changed);
    return null;
  end $$`,
  `create trigger conversation_members_added after insert on conversation_members
    referencing new table as changed for each statement execute function count_members_change()`,
  `create trigger conversation_members_removed after delete on conversation_members
    referencing old table as changed for each statement execute function count_members_change()`,

  // Appends a batch of messages, and answers about each by its nonce. The conversations' rows are locked first, in the
  // order of their ids; each statement after that sees what was committed before. So sequences have no gaps, and the
  // order of sequences, of ids and of commits is one. "at" is in microseconds, different in each batch.
  `create function append_messages(
    _conversations bigint[], _senders bigint[], _replies bigint[], _nonces uuid[], _contents text[], _at bigint,
    _known bigint[], _versions bigint[]
  ) returns table (kind text, nonce uuid, id bigint, number bigint, detail text) language plpgsql
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  #variable_conflict use_column
  declare
    _sent_at timestamptz := timestamptz 'epoch' + _at * interval '1 microsecond';
  begin
    perform from conversations c where c.id = any (_conversations) order by c.id for no key update;
    return query
    with requests as materialized (
      select r.*, m.participant_id is not null as is_member, r.reply_id is null or q.id is not null as has_reply,
        o.id as stored_id, o.sent_at as stored_at,
        (o.conversation_id, o.reply_id, o.content) is not distinct from (r.conversation_id, r.reply_id, r.content) as is_same
      from unnest(_conversations, _senders, _replies, _nonces, _contents) with ordinality
        as r (conversation_id, sender_id, reply_id, nonce, content, n)
      left join conversation_members m on m.conversation_id = r.conversation_id and m.participant_id = r.sender_id
      left join messages q on q.conversation_id = r.conversation_id and q.id = r.reply_id
      left join messages o on o.nonce = r.nonce
    ), stored as (
      insert into messages (conversation_id, sequence, revision, sender_id, reply_id, nonce, content, sent_at)
      select r.conversation_id, c.last_sequence + row_number() over w, c.revision + row_number() over w,
        r.sender_id, r.reply_id, r.nonce, r.content, _sent_at
      from requests r join conversations c on c.id = r.conversation_id
      where r.is_member and r.has_reply and r.stored_id is null
      window w as (partition by r.conversation_id order by r.n)
      order by r.n
      returning messages.conversation_id, messages.sequence, messages.sender_id, messages.nonce, messages.id
    ), counted as (
      update conversations c
      set last_sequence = c.last_sequence + s.count, revision = c.revision + s.count
      from (select conversation_id, count(*) as count from stored group by conversation_id) s
      where c.id = s.conversation_id
    )
    select 'stored', s.nonce, s.id, s.sequence, u.username::text
    from stored s left join participants p on p.id = s.sender_id left join users u on u.id = p.user_id
    union all
    select case when r.stored_id is null then case when r.is_member then 'no reply' else 'unknown' end
        when r.is_same then 'again' else 'other' end,
      r.nonce, r.stored_id, (extract(epoch from r.stored_at) * 1000000)::bigint, u.username::text
    from requests r left join participants p on p.id = r.sender_id left join users u on u.id = p.user_id
    where not (r.is_member and r.has_reply and r.stored_id is null)
    union all
    select 'members', null, c.id, c.members_version, (
      select string_agg(m.participant_id::text, ',') from conversation_members m where m.conversation_id = c.id
    )
    from conversations c left join unnest(_known, _versions) as k (id, version) on k.id = c.id
    where c.id = any (_conversations) and c.members_version is distinct from k.version;
  end $$`,
];

const DOWN = [
  `drop function append_messages(bigint[], bigint[], bigint[], uuid[], text[], bigint, bigint[], bigint[])`,
  `drop table messages`,
  `drop table conversation_members`,
  `drop table conversations`,
  `drop function count_members_change()`,
  `drop table presences`,
  `drop table chat_nodes`,
  `drop table contacts`,
  `drop trigger add_participant_of_user on users`,
  `drop function add_participant()`,
  `drop table participants`,
  `drop function bury_participant()`,
];
