import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Texts in which messages are searched. They are filled by searches, so that sending a message costs nothing more. */
export class MessageSearch1809400002000 implements MigrationInterface {
  name = 'MessageSearch1809400002000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // An index of conversations and texts together: a frequent word in other conversations costs nothing.
  `create extension if not exists btree_gin`,
  `create table message_search_positions (
    conversation_id bigint not null,
    message_id bigint not null,
    constraint message_search_positions_pkey primary key (conversation_id),
    constraint message_search_positions_conversation_id_fkey foreign key (conversation_id)
      references conversations (id) on delete cascade
  )`,
  `create table message_texts (
    conversation_id bigint not null,
    message_id bigint not null,
    folded text not null,
    constraint message_texts_pkey primary key (conversation_id, message_id),
    constraint message_texts_message_id_fkey foreign key (conversation_id, message_id)
      references messages (conversation_id, id) on delete cascade
  )`,
  `create index message_texts_search_idx on message_texts using gin (conversation_id, folded gin_trgm_ops)`,
];

/** The extension stays: others may use it by now. */
const DOWN = [`drop table message_texts`, `drop table message_search_positions`];
