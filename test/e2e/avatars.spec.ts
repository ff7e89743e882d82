import { describe, expect, it } from 'vitest';
import { Client, expectProblem, MACHI_URL } from './client.js';

const client = new Client();

/** An image of one pixel. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const upload = (token: string, bytes: Uint8Array<ArrayBuffer>) => {
  const form = new FormData();
  form.set('avatar', new Blob([bytes], { type: 'image/png' }), 'me.png');
  return client.request('PUT', '/api/users/me/avatar', { token, body: form });
};

describe('an avatar', () => {
  it('is a generated identicon for users without one', async () => {
    const { user } = await client.user();
    const { status, headers } = await client.get(`/api/users/${user.id}/avatar`);
    expect([status, headers.get('content-type')]).toEqual([200, 'image/png']);
  });

  it('is pending until a moderator approves it, then public as WebP', async () => {
    const { identity_token, user } = await client.user();
    const { status, body } = await upload(identity_token, PNG);
    expect([status, body]).toMatchObject([202, { state: 'pending', is_shown: false }]);
    const admin = await client.admin();
    const waiting = await client.get('/api/moderation/avatars', admin);
    expect((waiting.body['items'] as { id: string }[]).map(({ id }) => id)).toContain(body['id']);
    const approved = await client.post(`/api/moderation/avatars/${body['id']}/approve`, undefined, admin);
    expect(approved.status).toBeLessThan(300);
    const leads = await client.get(`/api/users/${user.id}/avatar`);
    expect(leads.status).toBe(302);
    const image = await fetch(new URL(leads.headers.get('location')!, MACHI_URL));
    const bytes = Buffer.from(await image.arrayBuffer());
    expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(bytes.toString('latin1', 8, 12)).toBe('WEBP');
  });

  it('is recognised by its bytes, not by the declared type', async () => {
    const { identity_token } = await client.user();
    expectProblem(await upload(identity_token, Buffer.from('<svg/>')), 415, 'unsupported_picture');
  });

  it('is refused above 5 MiB', async () => {
    const { identity_token } = await client.user();
    const answer = await upload(identity_token, Buffer.concat([PNG, Buffer.alloc(5 * 1024 * 1024)]));
    expectProblem(answer, 413, 'file_too_large');
  });
});
