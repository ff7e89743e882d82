/** An avatar's address, which never shows another picture. Relative to Machi, as are all its addresses. */
export const avatarUrl = (avatarId: string, size: 64 | 128 | 256 | 512): string =>
  `/api/avatars/${avatarId}/${size}.webp`;

/** What to show of a user: their avatar, or else a picture drawn from their id. */
export const shownAvatarUrl = ({ id, avatar_id }: { id: string; avatar_id: string | null }): string =>
  avatar_id === null ? `/api/users/${id}/avatar` : avatarUrl(avatar_id, 256);
