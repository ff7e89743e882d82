import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTables } from './lock-tables.js';

/**
 * One query per statement checks that the conversations and senders of new messages exist. The foreign keys that this removes ran a
 * query for each of them and each message. See docs/decisions/message-references.md.
 */
export class MessageReferences1809770000000 implements MigrationInterface {
  name = 'MessageReferences1809770000000';

  async up(runner: QueryRunner): Promise<void> {
    await lockTables(runner, ...REFERENCED, 'messages');
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTables(runner, ...REFERENCED, 'messages');
    for (const statement of DOWN) await runner.query(statement);
  }
}

const REFERENCED = ['conversations', 'participants'];

const UP = [
  `alter table messages drop constraint messages_conversation_id_fkey, drop constraint messages_sender_id_fkey`,

  // Each row is found by an index, also by a plan that was made when its table was small. A restore by pg_dump sets no search_path.
  `create function check_message_references() returns trigger language plpgsql
  set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
  begin
    if exists (
      select from added a
      where (select true from conversations c where c.id = a.conversation_id limit 1) is null
        or (select true from participants p where p.id = a.sender_id limit 1) is null
    ) then
      raise foreign_key_violation using message = 'the conversation or the sender of a message does not exist', table = 'messages';
    end if;
    return null;
  end $$`,
  `create trigger check_references_of_added after insert on messages
    referencing new table as added for each statement execute function check_message_references()`,

  `create function refuse_referenced_change() returns trigger language plpgsql as $$
  begin
    raise foreign_key_violation using message = format('%s: rows are never deleted and ids never change, because messages refer to them', tg_table_name), table = tg_table_name;
  end $$`,
  `create trigger keep_references before update of conversation_id, sender_id on messages
    for each statement execute function refuse_referenced_change()`,
  ...REFERENCED.flatMap((table) => [
    `create trigger keep_referenced before delete or update of id on ${table} for each row execute function refuse_referenced_change()`,
    `create trigger keep_all_referenced before truncate on ${table} for each statement execute function refuse_referenced_change()`,
  ]),
];

const DOWN = [
  ...REFERENCED.flatMap((table) => [
    `drop trigger keep_referenced on ${table}`,
    `drop trigger keep_all_referenced on ${table}`,
  ]),
  `drop trigger keep_references on messages`,
  `drop function refuse_referenced_change()`,
  `drop trigger check_references_of_added on messages`,
  `drop function check_message_references()`,
  `alter table messages
    add constraint messages_conversation_id_fkey foreign key (conversation_id) references conversations (id) on delete cascade,
    add constraint messages_sender_id_fkey foreign key (sender_id) references participants (id)`,
];
