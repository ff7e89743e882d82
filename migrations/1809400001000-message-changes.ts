import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replaceInFunction } from './replace-in-function.js';

/** Edited and deleted messages with their history, and reactions. */
export class MessageChanges1809400001000 implements MigrationInterface {
  name = 'MessageChanges1809400001000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
    await replaceInFunction(runner, 'append_messages', [[IS_SAME, IS_SAME_OR_CHANGED]]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceInFunction(runner, 'append_messages', [[IS_SAME_OR_CHANGED, IS_SAME]]);
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `alter table messages add edited_at timestamptz, add deleted_at timestamptz`,
  `create table message_versions (
    conversation_id bigint not null,
    message_id bigint not null,
    revision bigint not null,
    content text not null,
    replaced_by_id bigint not null,
    replaced_at timestamptz not null,
    constraint message_versions_pkey primary key (conversation_id, message_id, revision),
    constraint message_versions_message_id_fkey foreign key (conversation_id, message_id)
      references messages (conversation_id, id) on delete cascade,
    constraint message_versions_replaced_by_id_fkey foreign key (replaced_by_id) references participants (id)
  )`,
  `create table message_reactions (
    conversation_id bigint not null,
    message_id bigint not null,
    participant_id bigint not null,
    emoji text not null,
    created_at timestamptz not null,
    constraint message_reactions_pkey primary key (conversation_id, message_id, participant_id),
    constraint message_reactions_message_id_fkey foreign key (conversation_id, message_id)
      references messages (conversation_id, id) on delete cascade,
    constraint message_reactions_participant_id_fkey foreign key (participant_id) references participants (id),
    constraint message_reactions_emoji_check check (length(emoji) between 1 and 16)
  )`,
];

const DOWN = [
  `drop table message_reactions`,
  `drop table message_versions`,
  `alter table messages drop edited_at, drop deleted_at`,
];

/** A message that is sent again after it was changed is still the same message. */
const IS_SAME = `is not distinct from (r.conversation_id, r.reply_id, r.content) as is_same`;
const IS_SAME_OR_CHANGED = `is not distinct from (r.conversation_id, r.reply_id, r.content)
          or coalesce(o.edited_at, o.deleted_at) is not null and o.conversation_id = r.conversation_id as is_same`;
