import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replaceInFunction } from './replace-in-function.js';

/** Contact requests, blocks, and conversations that their members can leave. */
export class ContactRequestsAndBlocks1797003000000 implements MigrationInterface {
  name = 'ContactRequestsAndBlocks1797003000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
    await replaceInFunction(runner, 'append_messages', CHANGES);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceInFunction(
      runner,
      'append_messages',
      CHANGES.map(([from, to]) => [to, from]),
    );
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // One row per pair, so that two users who ask each other at the same time cannot both be waiting.
  `create table contact_requests (
    id bigint generated always as identity,
    first_id bigint not null,
    second_id bigint not null,
    sender_id bigint not null,
    created_at timestamptz not null,
    constraint contact_requests_pkey primary key (id),
    constraint contact_requests_pair_key unique (first_id, second_id),
    constraint contact_requests_first_id_fkey foreign key (first_id) references participants (id) on delete cascade,
    constraint contact_requests_second_id_fkey foreign key (second_id) references participants (id) on delete cascade,
    constraint contact_requests_order_check check (first_id < second_id),
    constraint contact_requests_sender_check check (sender_id = first_id or sender_id = second_id)
  )`,
  `create index contact_requests_second_id_idx on contact_requests (second_id)`,

  `create table blocks (
    participant_id bigint not null,
    blocked_id bigint not null,
    created_at timestamptz not null,
    constraint blocks_pkey primary key (participant_id, blocked_id),
    constraint blocks_participant_id_fkey foreign key (participant_id) references participants (id) on delete cascade,
    constraint blocks_blocked_id_fkey foreign key (blocked_id) references participants (id) on delete cascade,
    constraint blocks_self_check check (participant_id <> blocked_id)
  )`,
  `create index blocks_blocked_id_idx on blocks (blocked_id)`,

  // True once a member has blocked another one. Spares append_messages the look at blocks everywhere else.
  `alter table conversations add has_blocks boolean not null default false`,

  // In a conversation of two, the other member has blocked the sender.
  `create function is_refused(_conversation bigint, _sender bigint) returns boolean language plpgsql stable as $$
  begin
    return exists (
        select from conversation_members m join blocks b on b.participant_id = m.participant_id and b.blocked_id = _sender
        where m.conversation_id = _conversation
      ) and (select count(*) from (select from conversation_members where conversation_id = _conversation limit 3) m) = 2;
  end $$`,
  // The blocks among the members, as "member:blocked" separated by commas. "offset 0": the planner must not pair all members.
  `create function blocks_among(_conversation bigint) returns text language plpgsql stable as $$
  begin
    return (
      select coalesce(string_agg(b.participant_id || ':' || b.blocked_id, ','), '')
      from conversation_members m
      cross join lateral (select * from blocks where participant_id = m.participant_id offset 0) b
      where m.conversation_id = _conversation and exists (
        select from conversation_members o where o.conversation_id = _conversation and o.participant_id = b.blocked_id
      )
    );
  end $$`,

  `create or replace function clear_deleted_participant() returns trigger language plpgsql as $$
  begin
    delete from contacts where participant_id = new.id;
    delete from contact_requests where first_id = new.id or second_id = new.id;
    delete from blocks where participant_id = new.id or blocked_id = new.id;
    delete from presences where participant_id = new.id;
    update participants set last_online_at = null where id = new.id;
    return null;
  end $$`,
];

const DOWN = [
  `create or replace function clear_deleted_participant() returns trigger language plpgsql as $$
  begin
    delete from contacts where participant_id = new.id;
    delete from presences where participant_id = new.id;
    update participants set last_online_at = null where id = new.id;
    return null;
  end $$`,
  `drop function blocks_among(bigint)`,
  `drop function is_refused(bigint, bigint)`,
  `alter table conversations drop has_blocks`,
  `drop table blocks`,
  `drop table contact_requests`,
];

/** `members` rows get the blocks after a semicolon, and are not null when the last member has left. */
const CHANGES: [from: string, to: string][] = [
  [
    `m.participant_id is not null as is_member`,
    `m.participant_id is not null
          and case when c.has_blocks then not is_refused(r.conversation_id, r.sender_id) else true end as is_member`,
  ],
  [
    `left join messages o on o.nonce = r.nonce`,
    `left join messages o on o.nonce = r.nonce
      left join conversations c on c.id = r.conversation_id`,
  ],
  [
    `select string_agg(m.participant_id::text, ',') from`,
    `select coalesce(string_agg(m.participant_id::text, ','), '')
        || case when c.has_blocks then ';' || blocks_among(c.id) else '' end from`,
  ],
];
