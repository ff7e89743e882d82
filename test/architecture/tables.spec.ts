import { describe, expect, it } from 'vitest';
import { readSourceFiles, type SourceFile, sourceFile } from '../support/source-files.js';

interface Table {
  name: string;
  /** The class that TypeORM maps to it. */
  entity: string;
  /** The module in whose folder the entity stands: the only one that reads and writes the table. */
  owner: string;
}

/** Uses of another module's table, as `file: table`, each with the reason for it. */
const EXCEPTIONS: Record<string, string> = {
  'auth/session-profiles.ts: users': 'the hot query reads session, user and rights at once',
  'auth/is-method-present.ts: users': 'locks the row of the user, against a concurrent removal of the method',
  'auth/is-two-factor-on.ts: users': 'locks the row of the user, against a concurrent confirmation',
  'auth/sessions/sessions.service.ts: users':
    'opens a session only if the user is active and the password is still the same',
  'auth/sign-in-methods.service.ts: users': 'counts password, passkeys and external identities in one statement',
  'auth/two-factor/two-factor-sign-in.service.ts: users':
    'compares the password hash in the statement that uses a challenge',
  'avatars/avatar-delivery.service.ts: users': 'joins whether the owner is active, on every delivery of an image',
  'chat/chat-personal-data.service.ts: users': 'joins the usernames of contacts and members',
  'chat/blocks/blocks.service.ts: users': 'joins the usernames of blocked users',
  'chat/contacts/chat-users.service.ts: users': 'joins the username and full name of a participant',
  'chat/contacts/contact-requests.service.ts: users': 'joins the username and full name of the other user',
  'chat/contacts/contacts.service.ts: users': 'joins the usernames of contacts',
  'chat/delivery/memberships.service.ts: users': 'joins the usernames of members',
  'chat/delivery/missed-messages.service.ts: users': 'joins the usernames of senders',
  'chat/push/push-deliveries.ts: users': 'joins the usernames of senders and of members who are mentioned',
  'chat/push/subscriptions/push-subscriptions.service.ts: sessions':
    'locks the session, so that it does not end without the subscription',
  'chat/presence/chat-node.service.ts: users': 'joins the usernames of participants',
  'chat/events/conversation-events.service.ts: users': 'joins the usernames of those whom an event is about',
  'chat/members/members.service.ts: users': 'joins the usernames of members',
  'chat/message-changes/message-changes.service.ts: users': 'joins the usernames in the history of a message',
  'chat/messages/message-columns.ts: users': 'joins the usernames of senders',
  'chat/sync/read-positions.service.ts: users': 'joins the username of the member who reads or writes',
  'chat/presence/presence.service.ts: users': 'joins the usernames of participants',
  'projects/reading/progress.service.ts: users':
    'locks the row of the reader in the statement that stores progress, as the deletion of an account does',
  'vaccination/messages/vaccination-messages.service.ts: users': 'joins the verified e-mail address of the person',
  'cli/doctor/database-checks.ts: users':
    'counts encrypted ids whose key is missing, also while no application can start',
  'cli/doctor/database-checks.ts: vaccination_registrations':
    'counts encrypted ids whose key is missing, also while no application can start',
  'users/profile.ts: group_members': 'reads a user with their rights in one query',
  'users/profile.ts: groups': 'reads a user with their rights in one query',
};

function tablesOf(files: SourceFile[]): Table[] {
  return files.flatMap(({ module, code }) =>
    [...code.matchAll(/@Entity\('(\w+)'\)[\s\S]*?export class (\w+)/g)].map(([, name, entity]) => ({
      name: name!,
      entity: entity!,
      owner: module,
    })),
  );
}

/** Tables of other modules that a file names in SQL text or reaches through a repository, as `file: table`. */
function foreignTables(file: SourceFile, tables: Table[]): string[] {
  const foreign = tables.filter(({ owner }) => owner !== file.module);
  return foreign
    .filter((table) => namesTable(file, table) || usesRepository(file, table))
    .map(({ name }) => `${file.path}: ${name}`);
}

/** Whether a string holds the table behind an SQL word, or as `table.column`. */
function namesTable({ code }: SourceFile, { name }: Table): boolean {
  const inSql = new RegExp(`\\b(?:from|join|into|update|table|using|only)\\s+"?${name}\\b(?!')`, 'i');
  const inList = new RegExp(`\\bfrom\\s+[\\w\\s,"]+,\\s*"?${name}\\b`, 'i');
  return stringsOf(code).some((text) => inSql.test(text) || inList.test(text));
}

/** String and template literals that look like SQL. */
const stringsOf = (code: string): string[] =>
  (code.match(/`[^`]*`|'(?:[^'\\\n]|\\.)*'/g) ?? []).filter((text) =>
    /\b(?:select|insert into|update\s+\w+\s+(?:\w+\s+)?set|delete from|join|from)\b/i.test(text),
  );

/** Whether it asks TypeORM for the entity's rows. An entity file may name another one: that is a foreign key. */
function usesRepository({ path, code }: SourceFile, { entity }: Table): boolean {
  if (path.endsWith('.entity.ts') || path === 'database/data-source.ts') return false;
  const METHODS =
    'InjectRepository|getRepository|find\\w*|exists\\w*|count\\w*|update|delete|insert|save|upsert|increment|decrement|remove|createQueryBuilder|from';
  const asArgument = new RegExp(`\\b(?:${METHODS})\\(\\s*${entity}\\b`);
  const asFeature = new RegExp(`\\bforFeature\\(\\[[^\\]]*\\b${entity}\\b`);
  const asRepository = new RegExp(`\\bRepository<${entity}>`);
  return [asArgument, asFeature, asRepository].some((pattern) => pattern.test(code));
}

describe('tables', () => {
  const files = readSourceFiles();
  const tables = tablesOf(files);
  const found = files.flatMap((file) => foreignTables(file, tables));

  it('are all known by their entities', () => {
    expect(tables.length).toBe(files.filter(({ path }) => path.endsWith('.entity.ts')).length);
  });

  it('are read and written by the module that owns them', () => {
    expect(found.filter((use) => !(use in EXCEPTIONS))).toEqual([]);
  });

  it('have no exception that is not needed', () => {
    expect(Object.keys(EXCEPTIONS).filter((use) => !found.includes(use))).toEqual([]);
  });
});

it('the table test finds a foreign table in SQL and behind a repository', () => {
  const tables = [{ name: 'users', entity: 'User', owner: 'users' }];
  const uses = (code: string, path = 'chat/x.service.ts') => foreignTables(sourceFile(path, code), tables);
  expect(uses("query('select 1 from users where id = $1')")).toEqual(['chat/x.service.ts: users']);
  expect(uses('`update users u set fullname = $1`')).toHaveLength(1);
  expect(uses('`select * from contacts c, users u`')).toHaveLength(1);
  expect(uses('constructor(@InjectRepository(User) users: Repository<User>) {}')).toHaveLength(1);
  expect(uses('manager.findOneBy(User, { id })')).toHaveLength(1);
  expect(uses("query('select 1 from users')", 'users/users.service.ts')).toEqual([]);
  expect(uses("'Reads users.'")).toEqual([]);
  expect(uses('function name(user: User): string {}')).toEqual([]);
});
