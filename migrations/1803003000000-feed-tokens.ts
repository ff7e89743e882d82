import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tokens for feed readers. */
export class FeedTokens1803003000000 implements MigrationInterface {
  name = 'FeedTokens1803003000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create table feed_tokens (
      id uuid not null,
      user_id uuid not null,
      name text not null,
      token_hash bytea not null,
      created_at timestamptz not null,
      constraint feed_tokens_pkey primary key (id),
      constraint feed_tokens_token_hash_key unique (token_hash),
      constraint feed_tokens_user_id_fkey foreign key (user_id) references users (id) on delete cascade
    )`);
    await runner.query('create index feed_tokens_user_id_idx on feed_tokens (user_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table feed_tokens');
  }
}
