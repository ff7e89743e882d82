import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { BatchedQuery } from '../database/statements/batched-query.js';
import { POOL } from '../database/connections/pool.js';
import { Problem } from '../http/problems/problem.js';
import type { Representation } from '../http/representation.js';
import { SIZES, type Size } from '../images/image-jobs.js';
import { avatarUrl } from '../users/avatar-url.js';
import type { Caller } from '../users/caller.js';
import { UsersService } from '../users/users.service.js';
import { AvatarFilesService, IMMUTABLE } from './avatar-files.service.js';
import type { AvatarQueryDto } from './avatars.dto.js';
import { identicon } from './identicon.js';

/** Front ends on other origins show avatars. No browser runs scripts in one that is opened as a page. */
const IMAGE_HEADERS = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'cross-origin',
};

/** What decides who may see an avatar. */
interface AvatarVisibility {
  id: string;
  user_id: string;
  is_shown: boolean;
}

/** Measured: pages show many avatars. One join instead of a second query to the owner of the table. */
const READ_VISIBILITY = {
  name: 'avatar-visibility',
  text: `select a.id, a.user_id, (u.is_active and u.avatar_id = a.id) is true as is_shown
    from avatars a join users u on u.id = a.user_id where a.id = any ($1::uuid[]) and a.state in ('pending', 'approved')`,
};

/**
 * Finds what to send for the address of an avatar. Each request asks the database who may see it, so that a removal
 * takes effect at once on every node.
 */
@Injectable()
export class AvatarDeliveryService {
  private readonly avatars: BatchedQuery<AvatarVisibility>;

  constructor(
    @Inject(POOL) pool: Pool,
    private readonly files: AvatarFilesService,
    private readonly users: UsersService,
  ) {
    this.avatars = new BatchedQuery<AvatarVisibility>(pool, READ_VISIBILITY, ({ id }) => id);
  }

  /**
   * The avatar that a user shows: a redirect to its file, or an identicon. Users without an avatar, deactivated users and
   * unknown ids cannot be told apart. Throws `avatar_not_found` when the query asks for no identicon.
   */
  async findForUser(
    userId: string,
    { s, d }: AvatarQueryDto,
  ): Promise<Representation | { location: string; headers: Record<string, string> }> {
    const size = SIZES.find((each) => each >= s)!;
    const headers = { ...IMAGE_HEADERS, 'cache-control': 'no-cache' }; // the user may change the avatar
    const avatarId = await this.users.findShownAvatarId(userId);
    if (avatarId) return { location: avatarUrl(avatarId, size), headers };
    if (d === '404') throw new Problem('avatar_not_found');
    const hash = createHash('sha256').update(`${userId}/${size}`).digest('base64url').slice(0, 22);
    return {
      headers: { ...headers, 'content-type': 'image/png' },
      etag: `"${hash}"`,
      read: () => Promise.resolve(identicon(userId, size)),
    };
  }

  /**
   * One size of an avatar: for everyone while it is shown, else for its owner and for moderators. `authenticate` is
   * called only when it is not shown. Throws `avatar_not_found`; reading the bytes throws `storage_unavailable`.
   */
  async getFile(id: string, requestedSize: string, authenticate: () => Promise<Caller>): Promise<Representation> {
    const size = SIZES.find((each) => String(each) === requestedSize);
    if (size === undefined) throw new Problem('avatar_not_found');
    const isShown = await this.checkVisibility(id, authenticate);
    return {
      headers: {
        ...IMAGE_HEADERS,
        'accept-ranges': 'bytes',
        'cache-control': isShown ? IMMUTABLE : 'private, no-store',
        'content-type': 'image/webp',
      },
      etag: `"${id}-${size}"`,
      read: () => this.read(id, size),
    };
  }

  /** Whether everyone may see the avatar. Throws `avatar_not_found` when the caller may not see it. */
  private async checkVisibility(id: string, authenticate: () => Promise<Caller>): Promise<boolean> {
    const avatar = await this.avatars.find(id);
    if (!avatar) throw new Problem('avatar_not_found');
    if (avatar.is_shown) return true;
    const caller = await authenticate().catch((error: unknown) => {
      throw error instanceof Problem && error.getStatus() === 401 ? new Problem('avatar_not_found') : error;
    });
    if (caller.id !== avatar.user_id && !caller.permissions.moderate_avatars) throw new Problem('avatar_not_found');
    return false;
  }

  private async read(id: string, size: Size): Promise<Buffer> {
    const bytes = await this.files.find(id, size);
    if (!bytes) throw new Problem('avatar_not_found');
    return bytes;
  }
}
