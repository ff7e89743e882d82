import { PartialType } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsIn, IsInt, Max, Min, ValidateIf } from 'class-validator';
import { IsLine } from '../http/validation.js';
import { PERMISSION_NAMES, type Permission } from '../permissions/permissions.js';
import { PublicUserDto } from '../users/users.dto.js';
import type { Group } from './group.entity.js';

/** Absent is fine, null is not. */
const Absentable = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

export class CreateGroupDto {
  /**
   * Unique whatever the case.
   * @example Translators
   */
  @IsLine(1, 64)
  name: string;

  /**
   * What its members may do.
   * @example ["upload_chapters"]
   */
  @Absentable()
  @IsArray()
  @ArrayMaxSize(PERMISSION_NAMES.length)
  @ArrayUnique()
  @IsIn(PERMISSION_NAMES, { each: true })
  permissions?: Permission[];

  /**
   * How many days before its release a chapter can be read.
   * @example 3
   */
  @Absentable()
  @IsInt()
  @Min(0)
  @Max(365)
  early_access_days?: number;
}

export class UpdateGroupDto extends PartialType(CreateGroupDto, { skipNullProperties: false }) {}

export class GroupDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
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

export class GroupsPageDto {
  items: GroupDto[];
  /** Give it as `cursor` to get the next page; null on the last. */
  next_cursor: string | null;
}

export class GroupMembersPageDto {
  items: PublicUserDto[];
  /** Give it as `cursor` to get the next page; null on the last. */
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
