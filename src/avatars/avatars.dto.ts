import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { IsQueryInt, PageQueryDto } from '../http/pagination.dto.js';
import { IsLine } from '../http/validation.js';
import { avatarUrl } from '../users/avatar-url.js';
import { PublicUserDto, toPublicUserDto } from '../users/users.dto.js';
import type { Avatar, AvatarState } from './avatar.entity.js';
import type { OwnAvatars } from './avatars.service.js';
import { SIZES } from './image-format.js';

const LARGEST = SIZES.at(-1)!;

export class AvatarQueryDto {
  /** Length of a side in pixels; the next larger of 64, 128, 256 and 512 is given. */
  @ApiPropertyOptional()
  @IsOptional()
  @IsQueryInt(1, LARGEST)
  s: number = 256;

  /** For a user who shows none: a picture drawn from the id, or a 404. */
  @ApiPropertyOptional()
  @IsOptional()
  @IsIn(['identicon', '404'])
  d: 'identicon' | '404' = 'identicon';
}

export class AvatarUrlsDto {
  /** @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/64.webp */
  64: string;
  /** @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/128.webp */
  128: string;
  /** @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/256.webp */
  256: string;
  /** @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/512.webp */
  512: string;
}

/** An upload as its owner sees it. */
export class AvatarDto {
  /** @example 0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a */
  id: string;
  /** @example pending */
  state: 'pending' | 'approved' | 'rejected' | 'withdrawn';
  /**
   * Whether everybody sees it.
   * @example false
   */
  is_shown: boolean;
  /** By size in pixels; null once the files are gone. While it is not shown they open for its owner and moderators. */
  urls: AvatarUrlsDto | null;
  created_at: Date;
  /** When it was approved, rejected or withdrawn. */
  decided_at: Date | null;
  /**
   * Why it was rejected.
   * @example "Shows somebody else."
   */
  reason: string | null;
}

/** What the caller has uploaded. */
export class MyAvatarDto {
  /**
   * What everybody sees.
   * @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/256.webp
   */
  avatar_url: string;
  shown: AvatarDto | null;
  /** What waits for a moderator. */
  pending: AvatarDto | null;
  /** The last one that was rejected or taken down. */
  rejected: AvatarDto | null;
  /** Until when no other can be uploaded. */
  locked_until: Date | null;
}

export class ModeratedAvatarDto extends AvatarDto {
  user: PublicUserDto;
  /**
   * Whether it looks like a picture that was rejected, whosever that was.
   * @example false
   */
  resembles_rejected: boolean;
  /** The moderator. @example 0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42 */
  decided_by: string | null;
}

export class ModerationQueryDto extends PageQueryDto {
  /** @example pending */
  @ApiPropertyOptional()
  @IsOptional()
  @IsIn(['pending', 'approved', 'rejected'])
  state: 'pending' | 'approved' | 'rejected' = 'pending';
}

export class ModeratedAvatarsPageDto {
  items: ModeratedAvatarDto[];
  /** Give it as `cursor` to get the next page; null on the last. */
  next_cursor: string | null;
}

export class ReasonDto {
  /**
   * For its owner to read.
   * @example "Shows somebody else."
   */
  @IsLine(1, 500)
  reason: string;
}

export class TakeDownDto extends ReasonDto {
  /**
   * For how many days the user cannot upload another.
   * @example 7
   */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(3650)
  lock_days?: number;
}

const urlsOf = (id: string): AvatarUrlsDto => ({
  64: avatarUrl(id, 64),
  128: avatarUrl(id, 128),
  256: avatarUrl(id, 256),
  512: avatarUrl(id, 512),
});

const hasFiles = (state: AvatarState): boolean => state === 'pending' || state === 'approved';

export const toAvatarDto = (avatar: Avatar, isShown: boolean): AvatarDto => ({
  id: avatar.id,
  state: avatar.state,
  is_shown: isShown,
  urls: hasFiles(avatar.state) ? urlsOf(avatar.id) : null,
  created_at: avatar.created_at,
  decided_at: avatar.decided_at,
  reason: avatar.reason,
});

export function toMyAvatarDto(avatar_url: string, { uploads, avatar_id, locked_until }: OwnAvatars): MyAvatarDto {
  const find = (isIt: (upload: Avatar) => boolean): AvatarDto | null => {
    const found = uploads.find(isIt);
    return found ? toAvatarDto(found, found.id === avatar_id) : null;
  };
  return {
    avatar_url,
    shown: find(({ id }) => id === avatar_id),
    pending: find(({ state }) => state === 'pending'),
    rejected: find(({ state }) => state === 'rejected'),
    locked_until,
  };
}

export const toModeratedAvatarDto = (avatar: Avatar): ModeratedAvatarDto => ({
  ...toAvatarDto(avatar, avatar.user.avatar_id === avatar.id),
  user: toPublicUserDto(avatar.user),
  resembles_rejected: avatar.resembles_rejected,
  decided_by: avatar.decided_by,
});
