import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replaceInFunction } from './replace-in-function.js';

/** Roles and read positions of members, and the events of conversations that are not messages. */
export class ConversationRoles1809400000000 implements MigrationInterface {
  name = 'ConversationRoles1809400000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
    await replaceInFunction(runner, 'append_messages', [[COUNTED, MARKED_AND_COUNTED]]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceInFunction(runner, 'append_messages', [[MARKED_AND_COUNTED, COUNTED]]);
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // The counter saves counting the members of each listed conversation.
  `alter table conversations add members_count integer not null default 0`,
  `update conversations c set members_count = (select count(*) from conversation_members m where m.conversation_id = c.id)`,
  `create or replace function count_members_change() returns trigger language plpgsql as $$
  begin
    update conversations c set revision = revision + 1, members_version = revision + 1,
        members_count = members_count + case tg_op when 'INSERT' then s.count else -s.count end
      from (select conversation_id, count(*) as count from changed group by conversation_id) s
      where c.id = s.conversation_id;
    return null;
  end $$`,

  // A read position is updated with each message of its member: the free space keeps these updates out of the indexes.
  `alter table conversation_members
    add role text not null default 'member',
    add joined_after_id bigint not null default 0,
    add joined_revision bigint not null default 0,
    add read_sequence bigint not null default 0,
    add read_message_id bigint not null default 0,
    add constraint conversation_members_role_check check (role in ('owner', 'admin', 'member'))`,
  `alter table conversation_members set (fillfactor = 85)`,
  // What was written before the update counts as read.
  `update conversation_members m set read_sequence = c.last_sequence,
      read_message_id = coalesce((select max(x.id) from messages x where x.conversation_id = c.id), 0)
    from conversations c where c.id = m.conversation_id`,

  `create table conversation_events (
    conversation_id bigint not null,
    revision bigint not null,
    kind text not null,
    actor_id bigint not null,
    message_id bigint,
    subject_ids bigint[] not null default '{}',
    value text,
    created_at timestamptz not null,
    constraint conversation_events_pkey primary key (conversation_id, revision),
    constraint conversation_events_conversation_id_fkey foreign key (conversation_id) references conversations (id) on delete cascade,
    constraint conversation_events_actor_id_fkey foreign key (actor_id) references participants (id),
    constraint conversation_events_message_id_fkey foreign key (conversation_id, message_id) references messages (conversation_id, id)
  )`,

  // Makes a member the owner if no owner is left: an admin before others, then the one who has been a member for longest.
  // Neither deleted users nor the one who gives up the ownership count. To be called with the row of the conversation locked.
  `create function pass_on_ownership(_conversation bigint, _actor bigint, _at timestamptz) returns void language plpgsql as $$
  declare
    _successor bigint;
    _revision bigint;
  begin
    if exists (
      select from conversation_members m join participants p on p.id = m.participant_id
      where m.conversation_id = _conversation and m.role = 'owner' and p.user_id is not null
    ) then return; end if;
    select m.participant_id into _successor from conversation_members m join participants p on p.id = m.participant_id
      where m.conversation_id = _conversation and p.user_id is not null and p.id <> _actor
      order by m.role = 'admin' desc, m.created_at, m.participant_id limit 1;
    if _successor is null then return; end if;
    update conversation_members set role = 'owner' where conversation_id = _conversation and participant_id = _successor;
    update conversations set revision = revision + 1 where id = _conversation returning revision into _revision;
    insert into conversation_events (conversation_id, revision, kind, actor_id, subject_ids, value, created_at)
      values (_conversation, _revision, 'role_changed', _actor, array[_successor], 'owner', _at);
  end $$`,

  // Nobody recorded who had created a conversation: the sender of its first message, or else its first member, owns it.
  `update conversation_members m set role = 'owner' from conversations c where c.id = m.conversation_id
    and m.participant_id = coalesce(
      (select x.sender_id from messages x
        join conversation_members s on s.conversation_id = x.conversation_id and s.participant_id = x.sender_id
        join participants p on p.id = x.sender_id and p.user_id is not null
        where x.conversation_id = c.id order by x.id limit 1),
      (select s.participant_id from conversation_members s join participants p on p.id = s.participant_id
        where s.conversation_id = c.id and p.user_id is not null order by s.created_at, s.participant_id limit 1)
    )`,
];

const DOWN = [
  `drop function pass_on_ownership(bigint, bigint, timestamptz)`,
  `drop table conversation_events`,
  `alter table conversation_members reset (fillfactor)`,
  `alter table conversation_members drop role, drop joined_after_id, drop joined_revision, drop read_sequence, drop read_message_id`,
  `create or replace function count_members_change() returns trigger language plpgsql as $$
  begin
    update conversations c set revision = revision + 1, members_version = revision + 1
      where c.id in (select conversation_id from changed);
    return null;
  end $$`,
  `alter table conversations drop members_count`,
];

/** The sender of a message has read what was there. */
const COUNTED = `, counted as (`;
const MARKED_AND_COUNTED = `, marked as (
      update conversation_members m set read_sequence = s.sequence, read_message_id = s.id
      from (
        select conversation_id, sender_id, max(sequence) as sequence, max(id) as id
        from stored group by conversation_id, sender_id
      ) s
      where m.conversation_id = s.conversation_id and m.participant_id = s.sender_id
    ), counted as (`;
