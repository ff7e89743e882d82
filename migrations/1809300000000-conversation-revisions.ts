import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What happened in a conversation after a revision can be read from an index, and an append returns what its node has missed. */
export class ConversationRevisions1809300000000 implements MigrationInterface {
  name = 'ConversationRevisions1809300000000';

  async up(runner: QueryRunner): Promise<void> {
    // Revisions replace sequences in the index: both grow in the same order, and inserts keep their number of indexes.
    await runner.query('alter table messages add constraint messages_revision_key unique (conversation_id, revision)');
    await runner.query('alter table messages drop constraint messages_sequence_key');
    await replaceAppend(runner, OLD_PARAMETERS, CHANGES);
  }

  async down(runner: QueryRunner): Promise<void> {
    const back = CHANGES.map(([from, to]): [string, string] => [to, from]);
    await replaceAppend(runner, `${OLD_PARAMETERS}, bigint[]`, back);
    await runner.query('alter table messages add constraint messages_sequence_key unique (conversation_id, sequence)');
    await runner.query('alter table messages drop constraint messages_revision_key');
  }
}

const OLD_PARAMETERS = 'bigint[], bigint[], bigint[], uuid[], text[], bigint, bigint[], bigint[]';

/**
 * Parallel to the known versions of members, `_delivered` has the last revision of each conversation that the calling node has
 * delivered; null if it does not follow the conversation. Messages between it and this append are returned as `missed`, at most
 * 500 of a conversation, with a last one of kind `more` if there are further ones. The default serves processes of the version
 * before.
 */
const CHANGES: [from: string, to: string][] = [
  [`_versions bigint[])`, `_versions bigint[], _delivered bigint[] DEFAULT '{}'::bigint[])`],
  [`number bigint, detail text)`, `number bigint, detail text, revision bigint)`],
  [
    `o.id as stored_id, o.sent_at as stored_at,`,
    `o.id as stored_id, o.sent_at as stored_at, o.revision as stored_revision,`,
  ],
  [
    `messages.sender_id, messages.nonce, messages.id
    )`,
    `messages.sender_id, messages.nonce, messages.id, messages.revision
    )`,
  ],
  [
    `select 'stored', s.nonce, s.id, s.sequence, u.username::text`,
    `select 'stored', s.nonce, s.id, s.sequence, u.username::text, s.revision`,
  ],
  [
    `r.nonce, r.stored_id, (extract(epoch from r.stored_at) * 1000000)::bigint, u.username::text`,
    `r.nonce, r.stored_id, (extract(epoch from r.stored_at) * 1000000)::bigint, u.username::text, r.stored_revision`,
  ],
  [
    `from conversation_members m where m.conversation_id = c.id
    )
    from`,
    `from conversation_members m where m.conversation_id = c.id
    ), null
    from`,
  ],
  // Before the append, so that only what others have stored is found; a call without revisions skips it.
  [
    `for no key update;
    return query`,
    `for no key update;
    if cardinality(_delivered) > 0 then
      return query
      select case when x.n > 500 then 'more' else 'missed' end, x.nonce, x.id, c.id,
        json_build_object('sender_id', x.sender_id, 'sender_username', u.username, 'reply_id', x.reply_id,
          'content', x.content, 'sent_at', floor(extract(epoch from x.sent_at)))::text, x.revision
      from unnest(_known, _delivered) as k (id, revision)
      join conversations c on c.id = k.id and c.revision > k.revision
      cross join lateral (
        select m.*, row_number() over (order by m.revision) as n from messages m
        where m.conversation_id = k.id and m.revision > k.revision order by m.revision limit 501
      ) x
      left join participants p on p.id = x.sender_id left join users u on u.id = p.user_id;
    end if;
    return query`,
  ],
];

async function replaceAppend(runner: QueryRunner, parameters: string, changes: [string, string][]): Promise<void> {
  const rows = (await runner.query(`select pg_get_functiondef('append_messages'::regproc) as definition`)) as [
    { definition: string },
  ];
  const replaced = changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`append_messages does not contain: ${from}`);
    return text.replace(from, () => to);
  }, rows[0].definition);
  await runner.query(`drop function append_messages(${parameters})`);
  await runner.query(replaced);
}
