import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { UpdateMeDto } from '../account/account.dto.js';
import { IsQueryInt, PageQueryDto } from '../http/pagination.dto.js';
import { IsLine } from '../http/validation.js';
import { type Size, SIZES } from '../images/image-jobs.js';
import { avatarUrl } from '../users/avatar-url.js';
import { PublicUserDto, toPublicUserDto } from '../users/users.dto.js';
import { type Avatar, type AvatarState, LIVE_STATES } from './avatar.entity.js';
import type { OwnAvatars } from './avatars.service.js';

const LARGEST = SIZES.at(-1)!;

/** The wanted size, and what to send for users without an avatar. */
export class AvatarQueryDto {
  /** Length of a side in pixels. The next larger of 64, 128, 256 and 512 is sent. */
  @IsQueryInt(1, LARGEST)
  s: number = 256;

  /** For users without an avatar: an identicon (an image made from the id), or 404. */
  @ApiPropertyOptional()
  @IsOptional()
  @IsIn(['identicon', '404'])
  d: 'identicon' | '404' = 'identicon';
}

const FILE = { type: 'string', format: 'binary', description: 'JPEG, PNG, WebP, GIF or AVIF, at most 5 MiB.' } as const;

/** A form with one file and no other field. The file itself is not part of the parsed body. */
export class UploadAvatarDto {
  @ApiProperty(FILE)
  @Allow()
  avatar: unknown;
}

/** For the API document: what `PATCH /api/users/me` accepts as a form. */
export class UpdateProfileDto extends UpdateMeDto {
  @ApiPropertyOptional(FILE)
  avatar?: unknown;
}

/** Paths of an avatar's files, by size in pixels. */
type AvatarUrls = Record<Size, string>;

const urlsOf = (id: string): AvatarUrls =>
  Object.fromEntries(SIZES.map((size) => [size, avatarUrl(id, size)])) as AvatarUrls;

const EXAMPLE_URLS = urlsOf('0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a');

/** An uploaded avatar as its owner sees it. */
export class AvatarDto {
  /** @example 0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example pending */
  state: 'pending' | 'approved' | 'rejected' | 'withdrawn';
  /**
   * Whether everyone sees it.
   * @example false
   */
  is_shown: boolean;
  /** Null once the files are deleted. Until it is shown, only its owner and moderators can read them. */
  @ApiProperty({
    type: 'object',
    nullable: true,
    required: SIZES.map(String),
    properties: Object.fromEntries(SIZES.map((size) => [size, { type: 'string' as const }])),
    example: EXAMPLE_URLS,
  })
  urls: AvatarUrls | null;
  created_at: Date;
  /** When it was approved, rejected or withdrawn. */
  decided_at: Date | null;
  /** Why it was rejected. */
  @ApiProperty({ example: null })
  reason: string | null;
}

/** The caller's avatars. */
export class MyAvatarDto {
  /**
   * The image that everyone sees.
   * @example /api/avatars/0199c2a4-8c33-7e01-a5d4-5f6e7d8c9b0a/256.webp
   */
  avatar_url: string;
  shown: AvatarDto | null;
  /** Waits for a moderator. */
  pending: AvatarDto | null;
  /** The last avatar that was rejected or taken down. */
  rejected: AvatarDto | null;
  /** Until when the caller cannot upload an avatar. */
  locked_until: Date | null;
}

/** An uploaded avatar as moderators see it. */
export class ModeratedAvatarDto extends AvatarDto {
  user: PublicUserDto;
  /**
   * Whether it resembles a rejected avatar of any user.
   * @example false
   */
  resembles_rejected: boolean;
  /** The moderator. */
  @ApiProperty({ format: 'uuid', example: null })
  decided_by: string | null;
}

/** Which avatars to list. */
export class ModerationQueryDto extends PageQueryDto {
  /** @example pending */
  @ApiPropertyOptional()
  @IsOptional()
  @IsIn(['pending', 'approved', 'rejected'])
  state: 'pending' | 'approved' | 'rejected' = 'pending';
}

/** One page of avatars. */
export class ModeratedAvatarsPageDto {
  items: ModeratedAvatarDto[];
  /** The `cursor` of the next page; null on the last page. */
  next_cursor: string | null;
}

/** Why an avatar is rejected. */
export class ReasonDto {
  /**
   * Shown to the owner of the avatar.
   * @example "Shows another user."
   */
  @IsLine(1, 500)
  reason: string;
}

/** Why an avatar is removed, and for how long its owner is locked. */
export class TakeDownDto extends ReasonDto {
  /**
   * For how many days the user cannot upload an avatar.
   * @example 7
   */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(3650)
  lock_days?: number;
}

const hasFiles = (state: AvatarState): boolean => (LIVE_STATES as readonly AvatarState[]).includes(state);

export const toAvatarDto = (avatar: Avatar, isShown: boolean): AvatarDto => ({
  id: avatar.id,
  state: avatar.state,
  is_shown: isShown,
  urls: hasFiles(avatar.state) ? urlsOf(avatar.id) : null,
  created_at: avatar.created_at,
  decided_at: avatar.decided_at,
  reason: avatar.reason,
});

export function toMyAvatarDto(avatar_url: string, { avatars, avatar_id, locked_until }: OwnAvatars): MyAvatarDto {
  const find = (isMatch: (avatar: Avatar) => boolean): AvatarDto | null => {
    const avatar = avatars.find(isMatch);
    return avatar ? toAvatarDto(avatar, avatar.id === avatar_id) : null;
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
