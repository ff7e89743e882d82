import { ApiProperty, PartialType } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsIn, IsInt, Max, Min } from 'class-validator';
import { IsLine, IsOptionalNotNull } from '../http/validation.js';
import { PERMISSION_NAMES, type Permission } from '../permissions/permissions.js';
import { PublicUserDto } from '../users/users.dto.js';
import type { Group } from './group.entity.js';

/** A group to create. */
export class CreateGroupDto {
  /**
   * Unique without regard to case.
   * @example Translators
   */
  @IsLine(1, 64)
  name: string;

  /**
   * The permissions of the members.
   * @example ["upload_chapters"]
   */
  @IsOptionalNotNull()
  @IsArray()
  @ArrayMaxSize(PERMISSION_NAMES.length)
  @ArrayUnique()
  @IsIn(PERMISSION_NAMES, { each: true })
  permissions?: Permission[];

  /**
   * Days before the release of a chapter from which members can read it.
   * @example 3
   */
  @IsOptionalNotNull()
  @IsInt()
  @Min(0)
  @Max(365)
  early_access_days?: number;
}

/** Changes of a group. A field that is left out stays as it is. */
export class UpdateGroupDto extends PartialType(CreateGroupDto, { skipNullProperties: false }) {}

/** A group. */
export class GroupDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example Translators */
  name: string;
  /** @example ["upload_chapters"] */
  permissions: Permission[];
  /** @example 3 */
  early_access_days: number;
  created_at: Date;
  updated_at: Date;
}

/** A page of groups. */
export class GroupsPageDto {
  items: GroupDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A page of the members of a group. */
export class GroupMembersPageDto {
  items: PublicUserDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toGroupDto = ({ id, name, permissions, early_access_days, created_at, updated_at }: Group): GroupDto => ({
  id,
  name,
  permissions,
  early_access_days,
  created_at,
  updated_at,
});
