import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AvatarFilesWorker } from '../../src/avatars/avatar-files.worker.js';
import { UploadCleanupService } from '../../src/projects/uploads/upload-cleanup.service.js';
import { AttachmentFilesWorker } from '../../src/chat/attachments/attachment-files.worker.js';
import { DataExportFilesWorker } from '../../src/account/exports/data-export-files.worker.js';
import { Storage } from '../../src/storage/storage.js';
import { startApp, type TestApp } from '../support/app.js';
import { KEPT_MARKS, MARKS, personalColumns, personWithEverything } from '../support/personal-data.js';
import { keysOf } from '../support/storage.js';

let t: TestApp;
let person: Awaited<ReturnType<typeof personWithEverything>>;
let filesBefore: string[];
let participantId: string;
beforeAll(async () => {
  t = await startApp();
  const bare = await keysOf(t.app.get(Storage, { strict: false }).list(''));
  person = await personWithEverything(t);
  filesBefore = bare;
  const [row] = await t.dataSource.query('select id::text from participants where user_id = $1', [person.id]);
  participantId = row.id;
  const { token, password } = person;
  expect(
    (await t.request('POST', '/api/users/me/exports', { token, body: { current_password: password } })).status,
  ).toBe(202);
  const state = async () => (await t.request('GET', '/api/users/me/exports/current', { token })).body.state;
  while ((await state()) !== 'ready') await sleep(20);
  expect((await t.request('DELETE', '/api/users/me', { token, body: { password } })).status).toBe(204);
  // What runs every few seconds.
  await t.app.get(AvatarFilesWorker, { strict: false }).deleteRemovedFiles();
  await t.app.get(UploadCleanupService, { strict: false }).run(new AbortController().signal);
  await t.app.get(AttachmentFilesWorker, { strict: false }).deleteRemovedFiles();
  await t.app.get(DataExportFilesWorker, { strict: false }).deleteRemovedFiles();
});
afterAll(() => t.stop());

/** Tables with a row that contains a text, searched as text. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await t.dataSource.query<{ name: string }[]>(
    `select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  );
  const found = [];
  for (const { name } of tables) {
    const rows = await t.dataSource.query(`select from ${name} t where strpos(lower(t::text), lower($1)) > 0 limit 1`, [
      text,
    ]);
    if (rows.length > 0) found.push(name);
  }
  return found;
}

describe('after DELETE /api/users/me of a user with data in every module', () => {
  it.each(Object.entries(MARKS))('no table contains the %s', async (_, mark) => {
    expect(await tablesWith(mark)).toEqual([]);
  });

  it('no table contains the name of the user', async () => {
    expect(await tablesWith(person.username)).toEqual(['groups', 'audit_events']); // an administrator has named a group so
  });

  it('what was written for others stays, without the author', async () => {
    expect(await tablesWith(KEPT_MARKS.message)).toEqual(['messages', 'message_versions']);
    expect(await tablesWith(KEPT_MARKS.report)).toEqual(['reports']);
    expect(await tablesWith(KEPT_MARKS.announcement)).toEqual(['announcements']);
    expect(await tablesWith(KEPT_MARKS.legal_name)).toEqual(['vaccination_registrations']);
  });

  it('the id of the user is in those columns only that the registry calls kept', async () => {
    const kept = personalColumns(t).filter(([, , fate]) => fate === 'kept');
    expect((await tablesWith(person.id)).filter((table) => !kept.some(([name]) => name === table))).toEqual([]);
    for (const [table, column, fate] of personalColumns(t).filter((each) => each[2] !== 'kept')) {
      const sql = `select from ${table} where ${column}::text = $1 limit 1`;
      const isParticipant = /^(participant|contact|blocked|first|second)_id$/.test(column) && fate === 'deleted';
      const rows = await t.dataSource.query(sql, [isParticipant ? participantId : person.id]);
      expect([table, column, rows.length]).toEqual([table, column, 0]);
    }
    const [participant] = await t.dataSource.query('select * from participants where id = $1', [participantId]);
    expect(participant).toMatchObject({ user_id: null, last_online_at: null });
  });

  it('messages that waited in the outbox are discarded, and still count against the limit of their address', async () => {
    const mails = await t.dataSource.query<{ state: string; encrypted_content: unknown }[]>(
      `select state, encrypted_content from mails where kind in ('reset_code', 'data_export_requested')`,
    );
    expect(mails.length).toBeGreaterThan(1);
    for (const { state, encrypted_content } of mails) {
      expect([state === 'queued', encrypted_content]).toEqual([false, null]);
    }
  });

  it('no file of the user is left in the storage, except for the picture that belongs to a message', async () => {
    const files = await keysOf(t.app.get(Storage, { strict: false }).list(''));
    const [sent] = await t.dataSource.query<[{ id: string }]>('select id from attachments');
    const left = files.filter((key) => !filesBefore.includes(key));
    expect(left.map((key) => key.replace(/^attachments\/..\//, '')).toSorted()).toEqual(
      ['data_saver', 'original', 'reader', 'thumbnail'].map((variant) => `${sent.id}-${variant}`),
    );
  });
});
