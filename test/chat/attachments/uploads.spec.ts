import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_VARIANTS } from '../../../src/images/image-jobs.js';
import { startApp, type TestApp } from '../../support/app.js';
import {
  attach,
  attachmentMembers,
  imagesOf,
  LONG_SESSIONS,
  outcomeOf,
  uploadAttachment,
} from '../../support/clients/attachments.js';
import { type Frame } from '../../support/clients/chat-client.js';
import { call, get, imageFile, jpegOf, MIB, scene } from '../../support/files/images.js';

let t: TestApp;
beforeAll(async () => {
  t = await startApp({ env: LONG_SESSIONS });
});
afterAll(() => t.stop());

const { world } = attachmentMembers(() => t);

describe('POST /api/chat/attachments', () => {
  it('stores a picture without metadata, which only the uploader sees', async () => {
    const { hana, ren } = await world();
    const file = await scene(1, 2000, 300)
      .withExif({ IFD0: { Copyright: 'private-mark' } })
      .jpeg()
      .toBuffer();
    expect(file.includes('private-mark')).toBe(true);
    const { status, body } = await uploadAttachment(t, hana, file);
    expect(status).toBe(201);
    expect(body).toMatchObject({ media_type: 'image/jpeg', width: 2000, height: 300 });
    const images = await imagesOf(t, hana, body.id);
    const found = await Promise.all(PAGE_VARIANTS.map((variant) => get(t, images[variant])));
    expect(found.map(({ status: each }) => each)).toEqual([200, 200, 200, 200]);
    expect(found[0]!.bytes.length).toBe(body.bytes);
    expect(found[0]!.bytes.includes('private-mark')).toBe(false);
    const widths = await Promise.all(found.map(async ({ bytes }) => (await sharp(bytes).metadata()).width));
    expect(widths).toEqual([2000, 1600, 960, 256]);
    expect(await outcomeOf(t, `/api/chat/attachments/${body.id}`, ren.token)).toBe('attachment_not_found');
    expect(await outcomeOf(t, `/api/chat/attachments/${body.id}/image`, ren.token)).toBe('attachment_not_found');
    expect(await outcomeOf(t, `/api/chat/attachments/${body.id}/image`)).toBe('token_required');
  });

  it.each([
    ['no picture, whatever its name says', () => Buffer.from('%PDF-1.7 not a picture'), 415, 'unsupported_picture'],
    ['half a picture', async () => (await imageFile(2)).subarray(0, 1500), 422, 'picture_damaged'],
    [
      'too many pixels',
      () =>
        sharp({ create: { width: 9_000, height: 9_000, channels: 3, background: '#777' } })
          .png()
          .toBuffer(),
      422,
      'picture_too_large',
    ],
    ['more than 25 MiB', () => jpegOf(25 * MIB + 1), 413, 'file_too_large'],
    ['much more than 25 MiB', () => jpegOf(27 * MIB), 413, 'file_too_large'],
  ])('refuses %s', async (_, file, status, code) => {
    const reply = await uploadAttachment(t, await t.user(), await file());
    expect([reply.status, (reply.body as Frame)['code']]).toEqual([status, code]);
  });

  it('refuses a part of another name, two files, JSON, and callers who are not signed in', async () => {
    const user = await t.user();
    const file = await imageFile(3);
    const codes = [(await uploadAttachment(t, user, file, 'picture')).body as Frame];
    const form = new FormData();
    for (const name of ['a.jpg', 'b.jpg']) form.append('file', new Blob([new Uint8Array(file)]), name);
    codes.push((await call(t, 'POST', '/api/chat/attachments', user.token, { body: form })).body);
    codes.push((await t.request('POST', '/api/chat/attachments', { token: user.token, body: {} })).body);
    codes.push((await uploadAttachment(t, { token: '' }, file)).body);
    expect(codes.map(({ code }) => code as string)).toEqual([
      'no_file',
      'malformed_multipart',
      'form_expected',
      'token_required',
    ]);
  });

  it('refuses the 51st attachment that is not sent, also of concurrent uploads, until one is deleted', async () => {
    const user = await t.user();
    const first = await attach(t, user);
    await t.dataSource.query(
      `insert into attachments (id, owner_id, format, width, height, sizes, created_at)
        select gen_random_uuid(), owner_id, format, width, height, sizes, created_at from attachments, generate_series(2, 49)
        where id = $1`,
      [first.id],
    );
    const file = await imageFile(4);
    const replies = await Promise.all([1, 2].map(() => uploadAttachment(t, user, file)));
    expect(replies.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
    const remove = () => t.request('DELETE', `/api/chat/attachments/${first.id}`, { token: user.token });
    expect([(await remove()).status, (await remove()).status]).toEqual([204, 404]);
    expect((await uploadAttachment(t, user, file)).status).toBe(201);
  });

  it('refuses more than 200 MiB that are not sent', async () => {
    const user = await t.user();
    const { id } = await attach(t, user);
    await t.dataSource.query(`update attachments set sizes = sizes || '{"original": 209700000}' where id = $1`, [id]);
    const { status, body } = await uploadAttachment(t, user, await imageFile(5));
    expect([status, (body as Frame)['code']]).toEqual([409, 'too_many_attachments']);
  });
});
