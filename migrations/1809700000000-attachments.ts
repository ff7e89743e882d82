import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replaceInFunction } from './replace-in-function.js';

/** Pictures that are attached to messages. */
export class Attachments1809700000000 implements MigrationInterface {
  name = 'Attachments1809700000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
    await replaceInFunction(runner, 'append_messages', [[MISSED, MISSED_WITH_ATTACHMENTS]]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceInFunction(runner, 'append_messages', [[MISSED_WITH_ATTACHMENTS, MISSED]]);
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // What clients are told of the attachments; null for almost all messages, which then need no look at another table.
  `alter table messages add attachments jsonb`,
  `create table attachments (
    id uuid not null,
    owner_id bigint not null,
    conversation_id bigint,
    message_id bigint,
    position smallint,
    format text not null,
    width integer not null,
    height integer not null,
    sizes jsonb not null,
    created_at timestamptz not null,
    constraint attachments_pkey primary key (id),
    constraint attachments_position_key unique (conversation_id, message_id, position),
    constraint attachments_owner_id_fkey foreign key (owner_id) references participants (id),
    constraint attachments_message_id_fkey foreign key (conversation_id, message_id)
      references messages (conversation_id, id) on delete cascade,
    constraint attachments_message_check check (num_nulls(conversation_id, message_id, position) in (0, 3)),
    constraint attachments_position_check check (position between 1 and 10),
    constraint attachments_format_check check (format in ('jpeg', 'png', 'webp', 'avif')),
    constraint attachments_size_check check (width between 1 and 10000 and height between 1 and 10000)
  )`,
  `create index attachments_owner_id_idx on attachments (owner_id)`,
  `create index attachments_unsent_idx on attachments (created_at) where message_id is null`,
  // Whatever way an attachment is deleted by, it is on the list in the same transaction.
  `create table attachment_removals (
    attachment_id uuid not null,
    constraint attachment_removals_pkey primary key (attachment_id)
  )`,
  `create function remove_attachment_files() returns trigger language plpgsql as $$
  begin
    insert into attachment_removals select id from removed on conflict do nothing;
    return null;
  end $$`,
  `create trigger remove_files_of_deleted after delete on attachments
    referencing old table as removed for each statement execute function remove_attachment_files()`,
  // One message as append_messages appends a batch, with the same rows, and one of the kind "attachments" if it is stored. The
  // attachments are locked before the conversation: whoever sends one of them at the same time waits here, and then finds it used.
  `create function append_message_with_attachments(
    _conversation bigint, _sender bigint, _reply bigint, _nonce uuid, _content text, _at bigint,
    _known bigint[], _versions bigint[], _delivered bigint[], _attachments uuid[]
  ) returns table (kind text, nonce uuid, id bigint, number bigint, detail text, revision bigint) language plpgsql
  set plan_cache_mode = force_generic_plan as $$
  #variable_conflict use_column
  declare
    _count integer;
    _row record;
    _items jsonb;
    _is_same boolean;
  begin
    perform from attachments a where a.id = any (_attachments) and a.owner_id = _sender and a.message_id is null
      order by a.id for no key update;
    get diagnostics _count = row_count;
    if _count < cardinality(_attachments) and not exists (select from messages m where m.nonce = _nonce) then
      select count(*) into _count from attachments a where a.id = any (_attachments) and a.owner_id = _sender;
      return query select
        case when _count < cardinality(_attachments) then 'attachment_not_found' else 'attachment_used' end,
        _nonce, null::bigint, null::bigint, null::text, null::bigint;
      return;
    end if;
    for _row in
      select * from append_messages(array[_conversation], array[_sender], array[_reply], array[_nonce], array[_content],
        _at, _known, _versions, _delivered)
    loop
      if _row.kind = 'stored' then
        update attachments a set conversation_id = _conversation, message_id = _row.id, position = o.n
        from unnest(_attachments) with ordinality as o (id, n)
        where a.id = o.id and a.owner_id = _sender and a.message_id is null;
        get diagnostics _count = row_count;
        if _count <> cardinality(_attachments) then raise exception 'the attachments are not free'; end if;
        update messages m set attachments = (
          select jsonb_agg(jsonb_build_object('id', a.id, 'media_type', 'image/' || a.format, 'width', a.width,
            'height', a.height, 'bytes', a.sizes -> 'original') order by a.position)
          from attachments a where a.conversation_id = _conversation and a.message_id = _row.id
        )
        where m.conversation_id = _conversation and m.id = _row.id returning m.attachments into _items;
      elsif _row.kind = 'duplicate' then
        select m.attachments, m.deleted_at is not null or _attachments = array(
          select (item ->> 'id')::uuid from jsonb_array_elements(m.attachments) with ordinality as e (item, n) order by n
        ) into _items, _is_same from messages m where m.nonce = _nonce;
        if not _is_same then _row.kind := 'conflict'; end if;
      end if;
      if _row.kind in ('stored', 'duplicate') and _items is not null then
        return query select 'attachments', _nonce, null::bigint, null::bigint, _items::text, null::bigint;
      end if;
      return query select _row.kind, _row.nonce, _row.id, _row.number, _row.detail, _row.revision;
    end loop;
  end $$`,
];

const DOWN = [
  `drop function append_message_with_attachments(
    bigint, bigint, bigint, uuid, text, bigint, bigint[], bigint[], bigint[], uuid[])`,
  `drop table attachment_removals`,
  `drop table attachments`,
  `drop function remove_attachment_files()`,
  `alter table messages drop attachments`,
];

const MISSED = `'content', x.content, 'sent_at'`;
const MISSED_WITH_ATTACHMENTS = `'content', x.content, 'attachments', x.attachments, 'sent_at'`;
