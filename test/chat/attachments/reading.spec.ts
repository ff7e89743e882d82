import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../../support/app.js';
import { attach, attachmentMembers, imagesOf, LONG_SESSIONS, outcomeOf } from '../../support/clients/attachments.js';
import { type Frame } from '../../support/clients/chat-client.js';
import { get } from '../../support/files/images.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: LONG_SESSIONS });
});
afterAll(() => t.stop());

const { member, world } = attachmentMembers(() => t);

describe('GET /api/chat/attachments/:id', () => {
  /** A message with a picture, and the addresses that ren got. */
  async function sentPicture() {
    const members = await world();
    const { hana, ren, id } = members;
    const picture = await attach(t, hana);
    const sent = await hana.client.get('send_message', {
      conversation_id: id,
      content: 'look',
      attachments: [picture.id],
    });
    const { reader: url } = await imagesOf(t, ren, picture.id);
    expect(await outcomeOf(t, url)).toBe(200);
    return { ...members, picture, message_id: sent['id'] as number, url, path: `/api/chat/attachments/${picture.id}` };
  }

  it('answers 404 to a user outside of the conversation, to moderators, and for ids that do not exist', async () => {
    const { path, ren } = await sentPicture();
    for (const user of [await t.user(), await t.user('moderate_chat')]) {
      expect(await outcomeOf(t, path, user.token)).toBe('attachment_not_found');
      expect(await outcomeOf(t, `${path}/image`, user.token)).toBe('attachment_not_found');
    }
    expect(await outcomeOf(t, path.replace(/.{4}$/, '0000'), ren.token)).toBe('attachment_not_found');
    expect(await outcomeOf(t, '/api/chat/attachments/x', ren.token)).toBe('invalid_id');
  });

  it('sends a file to be kept by no cache, with an entity tag, and single ranges', async () => {
    const { url, picture } = await sentPicture();
    const { headers, bytes } = await get(t, url);
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'private, no-store',
      'content-type': 'image/webp',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      etag: `"${picture.id}-reader"`,
    });
    expect((await get(t, url, undefined, { 'if-none-match': headers.get('etag')! })).status).toBe(304);
    const part = await get(t, url, undefined, { range: 'bytes=2-5' });
    expect([part.status, part.bytes]).toEqual([206, bytes.subarray(2, 6)]);
    expect(await outcomeOf(t, url.replace('reader', 'huge'))).toBe('validation_failed');
  });

  it('binds a token to its attachment, its session and 15 minutes', async () => {
    const { url, ren, hana, id, path } = await sentPicture();
    const other = await attach(t, hana, 2);
    await hana.client.get('send_message', { conversation_id: id, content: 'two', attachments: [other.id] });
    expect(await outcomeOf(t, url.replace(/attachments\/[^/]+/, `attachments/${other.id}`))).toBe(
      'attachment_not_found',
    );
    // The last character has two bits that no byte contains, so the other one must differ in the first four.
    const altered = url.replace(/.$/, (last: string) => (last === 'A' ? 'Q' : 'A'));
    expect(await outcomeOf(t, altered)).toBe('attachment_not_found');
    t.clock.advance(9 * 60_000);
    expect(await outcomeOf(t, url)).toBe(200);
    t.clock.advance(6 * 60_000);
    expect(await outcomeOf(t, url)).toBe('attachment_not_found');
    const { reader: fresh } = await imagesOf(t, ren, path.split('/').at(-1)!);
    expect(await outcomeOf(t, fresh)).toBe(200);
    expect((await t.request('DELETE', '/api/sessions/current', { token: ren.token })).status).toBe(204);
    expect(await outcomeOf(t, fresh)).toBe('attachment_not_found');
    t.clock.run();
  });

  it('hides it from members who were added later, and shows them the next one', async () => {
    const { hana, id, path } = await sentPicture();
    const late = await member();
    await hana.client.askPastPushes('add_members', { conversation_id: id, members: [late.username] });
    expect(await outcomeOf(t, path, late.token)).toBe('attachment_not_found');
    const next = await attach(t, hana, 2);
    await hana.client.askPastPushes('send_message', { conversation_id: id, content: 'x', attachments: [next.id] });
    expect(await outcomeOf(t, (await imagesOf(t, late, next.id)).thumbnail)).toBe(200);
  });

  it('stops an address at once when its user is removed, leaves, or the message is deleted', async () => {
    for (const end of ['removed', 'left', 'deleted']) {
      const { hana, ren, old, id, url, path, message_id, picture } = await sentPicture();
      const { reader: urlOfOld } = await imagesOf(t, old, picture.id);
      const tag = { 'if-none-match': `"${picture.id}-reader"` };
      if (end === 'removed')
        await hana.client.askPastPushes('remove_member', { conversation_id: id, username: ren.username });
      if (end === 'left') await ren.client.askPastPushes('leave', { conversation_id: id });
      if (end === 'deleted') await hana.client.askPastPushes('delete_message', { conversation_id: id, message_id });
      expect(await outcomeOf(t, url)).toBe('attachment_not_found');
      expect((await get(t, url, undefined, tag)).status).toBe(404);
      expect(await outcomeOf(t, path, ren.token)).toBe('attachment_not_found');
      expect(await outcomeOf(t, urlOfOld)).toBe(end === 'deleted' ? 'attachment_not_found' : 200);
    }
  });

  it('hides it from a member who has blocked the sender while the block lasts', async () => {
    const { hana, ren, old, id, url } = await sentPicture();
    const block = (method: 'PUT' | 'DELETE') =>
      t.request(method, `/api/chat/blocks/${hana.username}`, { token: ren.token });
    await block('PUT');
    expect(await outcomeOf(t, url)).toBe('attachment_not_found');
    const { messages } = await ren.client
      .askPastPushes('get_messages', { conversation_id: id })
      .then(({ data }) => data);
    expect((messages as Frame[])[0]).toMatchObject({ content: '[blocked]' });
    expect((messages as Frame[])[0]).not.toHaveProperty('attachments');
    await old.client.next();
    await hana.client.askPastPushes('send_message', {
      conversation_id: id,
      content: '',
      attachments: [(await attach(t, hana, 5)).id],
    });
    expect(await old.client.next()).toMatchObject({ data: { content: '[attachment]' } });
    await ren.client.expectNoFrame();
    await block('DELETE');
    expect(await outcomeOf(t, url)).toBe(200);
  });
});
