import { publicPath } from '../http/log/request-context.js';

/** The path of one size of an avatar. The image at a path never changes. */
export const avatarUrl = (avatarId: string, size: 64 | 128 | 256 | 512): string =>
  publicPath(`/api/avatars/${avatarId}/${size}.webp`);

/** The path of the avatar that a user shows, or of an image generated from the id. */
export const shownAvatarUrl = ({ id, avatar_id }: { id: string; avatar_id: string | null }): string =>
  avatar_id === null ? publicPath(`/api/users/${id}/avatar`) : avatarUrl(avatar_id, 256);
