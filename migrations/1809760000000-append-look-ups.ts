import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replaceInFunction } from './replace-in-function.js';

/**
 * Appending messages finds each row by an index, also by a plan that was made when its table was empty. `limit 1` keeps the planner
 * from reading the whole table once for all messages of a batch, which looks cheaper then.
 */
export class AppendLookUps1809760000000 implements MigrationInterface {
  name = 'AppendLookUps1809760000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const { name, changes } of CHANGES) await replaceInFunction(runner, name, changes);
    for (const setting of SETTINGS)
      await runner.query(`alter function append_message_with_attachments set ${setting} = off`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const setting of SETTINGS)
      await runner.query(`alter function append_message_with_attachments reset ${setting}`);
    for (const { name, changes } of CHANGES)
      await replaceInFunction(
        runner,
        name,
        changes.map(([from, to]) => [to, from]),
      );
  }
}

/** `append_message` and `append_messages` have them: rows are found by an index, also by plans that were made when a table was small. */
const SETTINGS = ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'];

interface FunctionChanges {
  name: string;
  changes: [from: string, to: string][];
}

const selectUsername = (row: string): string => `
      select u.username from participants p join users u on u.id = p.user_id where p.id = ${row}.sender_id limit 1
    `;

/**
 * Whether a conversation has a message. `order by` makes the planner use the primary key: for an empty table, the index of the
 * revisions, which starts with the conversation, too, looks as good.
 */
const hasReply = (conversation: string, reply: string): string => `(
          select q.id = ${reply} from messages q where q.conversation_id = ${conversation} and q.id >= ${reply} order by q.id limit 1
        ) is true`;

const CHANGES: FunctionChanges[] = [
  {
    name: 'append_messages',
    changes: [
      [
        `join conversations c on c.id = k.id and c.revision > k.revision
      cross join lateral (`,
        `cross join lateral (
        select c.id from conversations c where c.id = k.id and c.revision > k.revision limit 1
      ) c
      cross join lateral (`,
      ],
      [
        `r.reply_id is null or q.id is not null as has_reply`,
        `r.reply_id is null or ${hasReply('r.conversation_id', 'r.reply_id')} as has_reply`,
      ],
      [
        `left join conversation_members m on m.conversation_id = r.conversation_id and m.participant_id = r.sender_id
      left join messages q on q.conversation_id = r.conversation_id and q.id = r.reply_id
      left join messages o on o.nonce = r.nonce`,
        `left join lateral (
        select m.participant_id from conversation_members m
        where m.conversation_id = r.conversation_id and m.participant_id = r.sender_id limit 1
      ) m on true
      left join lateral (select * from messages o where o.nonce = r.nonce limit 1) o on true`,
      ],
      [
        `from requests r join conversations c on c.id = r.conversation_id
`,
        `from requests r
      cross join lateral (
        select c.last_sequence, c.revision from conversations c where c.id = r.conversation_id limit 1
      ) c
`,
      ],
      [
        `from stored s left join participants p on p.id = s.sender_id left join users u on u.id = p.user_id`,
        `from stored s left join lateral (${selectUsername('s')}) u on true`,
      ],
      [
        `from requests r left join participants p on p.id = r.sender_id left join users u on u.id = p.user_id`,
        `from requests r left join lateral (${selectUsername('r')}) u on true`,
      ],
    ],
  },
  {
    name: 'append_message',
    changes: [
      [
        `exists (select from messages q where q.conversation_id = _conversation and q.id = _reply)`,
        hasReply('_conversation', '_reply'),
      ],
    ],
  },
];
