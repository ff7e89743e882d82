import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttachmentFilesWorker } from '../../../src/chat/attachments/attachment-files.worker.js';
import { Storage } from '../../../src/storage/storage.js';
import { startApp, type TestApp } from '../../support/app.js';
import {
  attach,
  attachmentMembers,
  imagesOf,
  LONG_SESSIONS,
  type Member,
  outcomeOf,
} from '../../support/clients/attachments.js';
import { type Frame } from '../../support/clients/chat-client.js';

const HOUR_MS = 3_600_000;

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: LONG_SESSIONS });
});
afterAll(() => t.stop());

const { world } = attachmentMembers(() => t);

const codeOf = async ({ client }: Member, fields: Frame): Promise<string | undefined> =>
  (await client.askPastPushes('send_message', { content: '', ...fields }))['code'] as string | undefined;

const filesOf = async (attachmentId: string): Promise<number> => {
  let count = 0;
  for await (const { key } of t.app.get(Storage).list('attachments/')) if (key.includes(attachmentId)) count++;
  return count;
};

describe('the files of attachments', () => {
  it('are deleted with the message, also by a moderator, who sees the text in the history', async () => {
    const { hana, ren, id } = await world();
    const moderator = await t.user('moderate_chat');
    const picture = await attach(t, hana);
    const { id: message } = await hana.client.get('send_message', {
      conversation_id: id,
      content: 'look',
      attachments: [picture.id],
    });
    expect(await filesOf(picture.id)).toBe(4);
    const path = `/api/chat/conversations/${id}/messages/${message}`;
    expect((await t.request('DELETE', path, { token: moderator.token })).status).toBe(204);
    await t.app.get(AttachmentFilesWorker).deleteRemovedFiles();
    expect(await filesOf(picture.id)).toBe(0);
    expect(await t.dataSource.query<unknown[]>('select 1 from attachment_removals')).toEqual([]);
    await ren.client.next();
    const [shown] = (await ren.client.askPastPushes('get_messages', { conversation_id: id }))['data']
      .messages as Frame[];
    expect(shown).toMatchObject({ content: '[deleted]', is_deleted: true });
    expect(shown).not.toHaveProperty('attachments');
    const { body } = await t.request('GET', `${path}/versions`, { token: moderator.token });
    expect(body['versions']).toMatchObject([{ content: 'look' }]);
  });

  it('are deleted 24 hours after the upload unless they were sent', async () => {
    const { hana, id } = await world();
    const [unsent, sent] = [await attach(t, hana, 1), await attach(t, hana, 2)];
    await hana.client.get('send_message', { conversation_id: id, content: '', attachments: [sent.id] });
    const worker = t.app.get(AttachmentFilesWorker);
    const sweep = async () => {
      await worker.sweep();
      await worker.deleteRemovedFiles();
    };
    t.clock.advance(23 * HOUR_MS);
    await sweep();
    expect(await filesOf(unsent.id)).toBe(4);
    t.clock.advance(2 * HOUR_MS);
    await sweep();
    expect([await filesOf(unsent.id), await filesOf(sent.id)]).toEqual([0, 4]);
    expect(await codeOf(hana, { conversation_id: id, attachments: [unsent.id] })).toBe('attachment_not_found');
    t.clock.run();
  });

  it('without a row are deleted after an hour, those with a row are kept', async () => {
    const user = await t.user();
    const { id } = await attach(t, user);
    const orphan = id.replace(/.{4}$/, 'beef');
    const key = `attachments/ef/${orphan}-original`;
    await t.app.get(Storage).put(key, Buffer.from('x'), { size: 1, type: 'image/png', cache_control: 'no-store' });
    t.clock.advance(2 * HOUR_MS);
    await t.app.get(AttachmentFilesWorker).sweep();
    t.clock.run();
    expect([await filesOf(orphan), await filesOf(id)]).toEqual([0, 4]);
  });

  it('stay with their messages when the sender deletes the account; those that were not sent are deleted', async () => {
    const { hana, ren, id } = await world();
    const [sent, unsent] = [await attach(t, hana, 1), await attach(t, hana, 2)];
    await hana.client.get('send_message', { conversation_id: id, content: '', attachments: [sent.id] });
    const { status } = await t.request('DELETE', '/api/users/me', {
      token: hana.token,
      body: { password: hana.password },
    });
    expect(status).toBe(204);
    await t.app.get(AttachmentFilesWorker).deleteRemovedFiles();
    expect([await filesOf(sent.id), await filesOf(unsent.id)]).toEqual([4, 0]);
    expect(await outcomeOf(t, (await imagesOf(t, ren, sent.id)).reader)).toBe(200);
  });
});
