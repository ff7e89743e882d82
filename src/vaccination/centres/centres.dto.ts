import { ApiProperty, PartialType } from '@nestjs/swagger';
import { IsIn, IsNumber, IsOptional, Max, Min } from 'class-validator';
import { PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { IsCatalogueCode } from '../catalogue-code.js';
import { PublicUserDto } from '../../users/users.dto.js';
import { IsTimeZone } from '../time-zones.js';
import { type Centre, CENTRE_STATUSES, type CentreStatus } from './centre.entity.js';
import { STAFF_ROLES, type StaffRole } from './centre-staff-member.entity.js';

/** A centre to create. */
export class CreateCentreDto {
  /**
   * Unique without regard to case: up to 40 letters, digits, dots, hyphens and underscores.
   * @example DHK-03
   */
  @IsCatalogueCode()
  code: string;
  /** @example "Dhanmondi Community Centre" */
  @IsLine(1, 120)
  name: string;
  /** @example "Road 7, Dhanmondi" */
  @IsLine(1, 300)
  address: string;
  /** @example "Dhaka" */
  @IsLine(1, 80)
  district: string;
  /**
   * In degrees, WGS 84.
   * @example 23.7461
   */
  @IsNumber({}, { message: '$property must be a number' })
  @Min(-90)
  @Max(90)
  latitude: number;
  /** @example 90.3742 */
  @IsNumber({}, { message: '$property must be a number' })
  @Min(-180)
  @Max(180)
  longitude: number;
  /**
   * IANA name. Days, ages and intervals are counted in it; the default is Asia/Dhaka.
   * @example Asia/Dhaka
   */
  @IsOptionalNotNull()
  @IsTimeZone()
  time_zone?: string;
  /** A closed centre has no bookable sessions. */
  @IsOptionalNotNull()
  @IsIn(CENTRE_STATUSES)
  status?: CentreStatus;
}

/** Changes of a centre. A field that is left out stays as it is. */
export class UpdateCentreDto extends PartialType(CreateCentreDto, { skipNullProperties: false }) {}

/** Query parameters of the list of centres. */
export class CentresQueryDto extends PageQueryDto {
  /**
   * Only centres of this district, without regard to case.
   * @example Dhaka
   */
  @IsOptional()
  @IsLine(1, 80)
  district?: string;
  @IsOptional()
  @IsIn(CENTRE_STATUSES)
  status?: CentreStatus;
}

/** A centre. */
export class CentreDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example DHK-03 */
  code: string;
  /** @example "Dhanmondi Community Centre" */
  name: string;
  /** @example "Road 7, Dhanmondi" */
  address: string;
  /** @example "Dhaka" */
  district: string;
  /** @example 23.7461 */
  latitude: number;
  /** @example 90.3742 */
  longitude: number;
  /** @example Asia/Dhaka */
  time_zone: string;
  /** @example active */
  status: CentreStatus;
  created_at: Date;
  updated_at: Date;
}

/** A page of centres. */
export class CentresPageDto {
  items: CentreDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** The role of a user at a centre. */
export class SetStaffRoleDto {
  /** @example vaccinator */
  @IsIn(STAFF_ROLES)
  role: StaffRole;
}

/** A user who works at a centre. */
export class StaffMemberDto {
  user: PublicUserDto;
  /** @example vaccinator */
  role: StaffRole;
  created_at: Date;
}

/** A page of the staff of a centre. */
export class StaffPageDto {
  items: StaffMemberDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toCentreDto = (centre: Centre): CentreDto => ({ ...centre });
