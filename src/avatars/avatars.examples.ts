import { avatarUrl } from '../users/avatar-url.js';
import type { AvatarDto, ModeratedAvatarDto } from './avatars.dto.js';

/** A DTO as JSON. */
type Json<T> = {
  [Key in keyof T]: T[Key] extends Date ? string : T[Key] extends Date | null ? string | null : unknown;
};

const MODERATOR = '0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42';

const avatar = (id: string): Json<AvatarDto> => ({
  id,
  state: 'pending',
  is_shown: false,
  urls: { 64: avatarUrl(id, 64), 128: avatarUrl(id, 128), 256: avatarUrl(id, 256), 512: avatarUrl(id, 512) },
  created_at: '2026-01-08T12:00:00.000Z',
  decided_at: null,
  reason: null,
});

const APPROVED = { state: 'approved', is_shown: true, decided_at: '2026-01-08T12:05:00.000Z' };
const REJECTED = {
  state: 'rejected',
  urls: null,
  decided_at: '2026-01-08T12:05:00.000Z',
  reason: 'Shows another user.',
};

export const PENDING_AVATAR = avatar('0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a');
export const APPROVED_AVATAR = { ...PENDING_AVATAR, ...APPROVED };

/** The caller's avatars: the third is pending, the second was rejected, the first is shown. */
export const OWN_AVATARS = {
  avatar_url: avatarUrl('0199a1b2-1f00-7c11-8d22-3e4f5a6b7c8d', 256),
  shown: { ...avatar('0199a1b2-1f00-7c11-8d22-3e4f5a6b7c8d'), ...APPROVED },
  pending: PENDING_AVATAR,
  rejected: { ...avatar('0199b3c4-2a00-7d22-9e33-4f5a6b7c8d9e'), ...REJECTED },
  locked_until: null,
};

export const MODERATED_AVATAR: Json<ModeratedAvatarDto> = {
  ...PENDING_AVATAR,
  user: {
    id: '0199c2a4-6e00-7a10-8b20-1c2d3e4f5a6b',
    username: 'hana.sato',
    fullname: 'Hana Sato',
    avatar_url: '/api/users/0199c2a4-6e00-7a10-8b20-1c2d3e4f5a6b/avatar',
    created_at: '2026-01-02T09:00:00.000Z',
  },
  resembles_rejected: false,
  decided_by: null,
};
export const APPROVED_MODERATED_AVATAR = { ...MODERATED_AVATAR, ...APPROVED, decided_by: MODERATOR };
export const REJECTED_MODERATED_AVATAR = { ...MODERATED_AVATAR, ...REJECTED, decided_by: MODERATOR };
