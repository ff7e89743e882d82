import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Subscriptions of browsers to pushes, the messages that may have to be pushed, and what is to be sent to each subscription. */
export class WebPush1809710000000 implements MigrationInterface {
  name = 'WebPush1809710000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  `create table push_subscriptions (
    id uuid not null,
    user_id uuid not null,
    session_id uuid not null,
    endpoint text not null,
    p256dh bytea not null,
    auth bytea not null,
    created_at timestamptz not null,
    constraint push_subscriptions_pkey primary key (id),
    constraint push_subscriptions_endpoint_key unique (endpoint),
    constraint push_subscriptions_endpoint_check check (length(endpoint) <= 2000),
    constraint push_subscriptions_keys_check check (length(p256dh) = 65 and length(auth) = 16),
    constraint push_subscriptions_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint push_subscriptions_session_id_fkey foreign key (session_id) references sessions (id) on delete cascade
  )`,
  `create index push_subscriptions_user_id_idx on push_subscriptions (user_id)`,
  `create index push_subscriptions_session_id_idx on push_subscriptions (session_id)`,
  `create table push_messages (
    conversation_id bigint not null,
    message_id bigint not null,
    mentions text[] not null,
    created_at timestamptz not null,
    constraint push_messages_pkey primary key (conversation_id, message_id),
    constraint push_messages_message_id_fkey foreign key (conversation_id, message_id)
      references messages (conversation_id, id) on delete cascade
  )`,
  `create table push_deliveries (
    subscription_id uuid not null,
    conversation_id bigint not null,
    message_id bigint not null,
    attempts integer not null default 0,
    created_at timestamptz not null,
    due_at timestamptz not null,
    expires_at timestamptz not null,
    constraint push_deliveries_pkey primary key (subscription_id, conversation_id),
    constraint push_deliveries_subscription_id_fkey foreign key (subscription_id)
      references push_subscriptions (id) on delete cascade,
    constraint push_deliveries_message_id_fkey foreign key (conversation_id, message_id)
      references messages (conversation_id, id) on delete cascade
  )`,
  `create index push_deliveries_due_at_idx on push_deliveries (due_at)`,
  `create index push_deliveries_message_id_idx on push_deliveries (conversation_id, message_id)`,
];

const DOWN = ['push_deliveries', 'push_messages', 'push_subscriptions'].map((table) => `drop table ${table}`);
