import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A message that arrives alone is stored by a few statements on single rows: starting the query for batches took longer than they do. */
export class SingleMessages1809740000000 implements MigrationInterface {
  name = 'SingleMessages1809740000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

// The first statement waits for the lock of the conversation, so that the next ones see what was committed meanwhile. Whatever is
// not the usual case (blocks, changed members, missed messages, refusals, duplicates) changes nothing here: append_messages decides.
// The settings are those of append_messages: each table is found by an index, also by plans that were made when it was small.
const UP = `
create function append_message(
  _conversation bigint, _sender bigint, _reply bigint, _nonce uuid, _content text, _at bigint, _version bigint, _delivered bigint
) returns table (kind text, nonce uuid, id bigint, number bigint, detail text, revision bigint) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  _sequence bigint;
  _revision bigint;
  _id bigint;
begin
  select c.last_sequence + 1, c.revision + 1 into _sequence, _revision from conversations c
    where c.id = _conversation and c.members_version = _version and not c.has_blocks
      and c.revision <= coalesce(_delivered, c.revision)
    for no key update;
  if found then
    select u.username::text into detail
      from conversation_members m
      join participants p on p.id = m.participant_id
      left join users u on u.id = p.user_id
      where m.conversation_id = _conversation and m.participant_id = _sender
        and (_reply is null or exists (select from messages q where q.conversation_id = _conversation and q.id = _reply))
        and not exists (select from messages o where o.nonce = _nonce);
  end if;
  if not found then
    return query select * from append_messages(array[_conversation], array[_sender], array[_reply], array[_nonce],
      array[_content], _at, array[_conversation], array[_version], array[_delivered]);
    return;
  end if;
  insert into messages (conversation_id, sequence, revision, sender_id, reply_id, nonce, content, sent_at)
    values (_conversation, _sequence, _revision, _sender, _reply, _nonce, _content,
      timestamptz 'epoch' + _at * interval '1 microsecond')
    returning messages.id into _id;
  update conversation_members m set read_sequence = _sequence, read_message_id = _id
    where m.conversation_id = _conversation and m.participant_id = _sender;
  update conversations c set last_sequence = _sequence, revision = _revision where c.id = _conversation;
  return query select 'stored', _nonce, _id, _sequence, detail, _revision;
end $$`;

const DOWN = `drop function append_message(bigint, bigint, bigint, uuid, text, bigint, bigint, bigint)`;
