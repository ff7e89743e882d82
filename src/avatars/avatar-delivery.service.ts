import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { buffer } from 'node:stream/consumers';
import type { Pool } from 'pg';
import { AuthenticatorService } from '../auth/authenticator.service.js';
import { Problem } from '../http/problem.js';
import { POOL } from '../database/database.module.js';
import { type ByteRange, Storage, storeFailed } from '../storage/storage.js';
import { avatarUrl } from '../users/avatar-url.js';
import { FOREVER, keyOf } from './avatar-files.service.js';
import type { AvatarQueryDto } from './avatars.dto.js';
import { identicon } from './identicon.js';
import { SIZES } from './image-format.js';

/** A picture is nothing but a picture, even to a browser that is led to open it as a page. */
const PICTURE_HEADERS = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'cross-origin', // front ends on other origins show it
};

/** RFC 9110, section 13.1.2. Not Express's `fresh`: to that, the "no-cache" which fetch adds to a condition undoes it. */
const isKnown = (request: Request, response: Response): boolean => {
  const etag = response.get('etag')!;
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim());
  return ['*', etag, `W/${etag}`].some((tag) => known.includes(tag));
};

const FIND = {
  name: 'avatar-find',
  text: `select a.user_id, (u.is_active and u.avatar_id = a.id) is true as is_shown
    from avatars a join users u on u.id = a.user_id where a.id = $1 and a.state in ('pending', 'approved')`,
};

const FIND_SHOWN = { name: 'avatar-shown', text: 'select avatar_id from users where id = $1 and is_active' };

/** The files that were asked for last stay in memory, up to so many bytes. */
const CACHE_BYTES = 64 * 1024 * 1024;

/** Hands pictures out: who may see one is asked of the database each time, its bytes of the store once. */
@Injectable()
export class AvatarDeliveryService {
  private readonly pictures = new LRUCache<string, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length,
    fetchMethod: (key) => this.read(key),
  });

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly storage: Storage,
    private readonly authenticator: AuthenticatorService,
  ) {}

  /**
   * Leads to what a user shows. One who shows none, one who is deactivated and one who does not exist look the same: a
   * picture drawn from the id, or `avatar_not_found`.
   */
  async ofUser(userId: string, { s, d }: AvatarQueryDto, request: Request, response: Response): Promise<void> {
    const size = SIZES.find((each) => each >= s)!;
    const { rows } = await this.pool.query<{ avatar_id: string | null }>({ ...FIND_SHOWN, values: [userId] });
    response.set(PICTURE_HEADERS).set('cache-control', 'no-cache'); // another picture tomorrow, at the same address
    if (rows[0]?.avatar_id) {
      response.redirect(302, avatarUrl(rows[0].avatar_id, size));
      return;
    }
    if (d === '404') throw new Problem('avatar_not_found');
    response.set('etag', `"${createHash('sha256').update(`${userId}/${size}`).digest('base64url').slice(0, 22)}"`);
    response.type('image/png');
    if (isKnown(request, response)) response.status(304).end();
    else response.end(identicon(userId, size));
  }

  /**
   * One size of an upload: to everybody while it is shown, else to its owner and to moderators. Raises
   * `avatar_not_found`, `range_not_satisfiable`, `storage_unavailable`.
   */
  async file(id: string, wanted: string, request: Request, response: Response): Promise<void> {
    const size = SIZES.find((each) => String(each) === wanted);
    if (size === undefined) throw new Problem('avatar_not_found');
    const isShown = await this.assertVisible(id, request);
    response.set(PICTURE_HEADERS).set({
      'accept-ranges': 'bytes',
      'cache-control': isShown ? FOREVER : 'private, no-store',
      'content-type': 'image/webp',
      etag: `"${id}-${size}"`,
    });
    if (isKnown(request, response)) {
      response.status(304).end();
      return;
    }
    const bytes = await this.pictures.fetch(keyOf(id, size));
    if (!bytes) throw new Problem('avatar_not_found');
    this.send(bytes, request, response);
  }

  private async assertVisible(id: string, request: Request): Promise<boolean> {
    const { rows } = await this.pool.query<{ user_id: string; is_shown: boolean }>({ ...FIND, values: [id] });
    if (!rows[0]) throw new Problem('avatar_not_found');
    if (rows[0].is_shown) return true;
    const caller = await this.authenticator.authenticate(request).catch((error: unknown) => {
      throw error instanceof Problem && error.status === 401 ? new Problem('avatar_not_found') : error;
    });
    if (caller.id !== rows[0].user_id && !caller.permissions.moderate_avatars) throw new Problem('avatar_not_found');
    return false;
  }

  private send(bytes: Buffer, request: Request, response: Response): void {
    const range = rangeOf(bytes.length, request, response);
    const { start, end } = range ?? { start: 0, end: bytes.length - 1 };
    if (range) response.status(206).set('content-range', `bytes ${start}-${end}/${bytes.length}`);
    response.set('content-length', String(end - start + 1)).end(bytes.subarray(start, end + 1));
  }

  private async read(key: string): Promise<Buffer | undefined> {
    try {
      const found = await this.storage.get(key);
      return found ? await buffer(found.body) : undefined;
    } catch (error) {
      throw storeFailed(error);
    }
  }
}

/** The one range of a GET that asks for one (RFC 9110, section 14.2); several are answered with the whole. */
function rangeOf(size: number, request: Request, response: Response): ByteRange | undefined {
  const { range, 'if-range': condition } = request.headers;
  const isMeant = condition === undefined || condition === response.get('etag');
  if (range === undefined || !isMeant || request.method !== 'GET') return undefined;
  const ranges = request.range(size);
  if (ranges === -1) throw new Problem('range_not_satisfiable', { headers: { 'content-range': `bytes */${size}` } });
  return Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
}
