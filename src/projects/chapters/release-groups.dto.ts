import { ApiProperty, PartialType } from '@nestjs/swagger';
import { IsOptional, IsUrl, MaxLength } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine } from '../../http/validation.js';
import type { ReleaseGroup } from './release-group.entity.js';

/** A release group to create. */
export class CreateReleaseGroupDto {
  /**
   * Unique without regard to case.
   * @example "Harbour Scans"
   */
  @IsLine(1, 100)
  name: string;
  /** @example "https://harbour-scans.example.org" */
  @IsOptional()
  @IsUrl({ protocols: ['http', 'https'], require_protocol: true })
  @MaxLength(300)
  website?: string | null;
}

/** Changes of a release group. A field that is left out stays as it is. */
export class UpdateReleaseGroupDto extends PartialType(CreateReleaseGroupDto, { skipNullProperties: false }) {}

/** Query parameters of the list of release groups. */
export class ReleaseGroupsQueryDto extends PageQueryDto {
  /**
   * Part of the name, without regard to case and accents.
   * @example harbour
   */
  @IsOptional()
  @IsLine(1, 100)
  q?: string;
}

/** A group of people that releases chapters. */
export class ReleaseGroupDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5d */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example "Harbour Scans" */
  name: string;
  /** @example "https://harbour-scans.example.org" */
  website: string | null;
  created_at: Date;
  updated_at: Date;
}

/** A page of release groups. */
export class ReleaseGroupsPageDto {
  items: ReleaseGroupDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toReleaseGroupDto = ({ id, name, website, created_at, updated_at }: ReleaseGroup): ReleaseGroupDto => ({
  id,
  name,
  website,
  created_at,
  updated_at,
});
