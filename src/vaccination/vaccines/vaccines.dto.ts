import { ApiProperty, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsInt,
  IsObject,
  IsOptional,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsQueryBoolean, PageQueryDto } from '../../http/pagination.dto.js';
import { IsLine, IsOptionalNotNull } from '../../http/validation.js';
import { IsCatalogueCode } from '../catalogue-code.js';
import type { Vaccine } from './vaccine.entity.js';

const MAX_AGE_MONTHS = 1800;

/** One dose of a vaccine. The intervals count from the previous dose; those of the first dose are 0. */
export class DosePlanDto {
  /**
   * The shortest interval that can be booked.
   * @example 28
   */
  @IsInt()
  @Min(0)
  @Max(3650)
  min_interval_days: number;
  /** @example 56 */
  @IsInt()
  @Min(0)
  @Max(3650)
  recommended_interval_days: number;
  /**
   * A dose that was given so many days too early still counts.
   * @example 4
   */
  @IsInt()
  @Min(0)
  @Max(30)
  grace_days: number;
}

/** A vaccine to create. */
export class CreateVaccineDto {
  /**
   * Unique without regard to case: up to 40 letters, digits, dots, hyphens and underscores.
   * @example CVX-208
   */
  @IsCatalogueCode()
  code: string;
  /** @example "Comirnaty" */
  @IsLine(1, 100)
  name: string;
  /** @example "BioNTech Manufacturing GmbH" */
  @IsLine(1, 100)
  manufacturer: string;
  /**
   * The disease it protects from, as a SNOMED CT code; 840539006 is COVID-19.
   * @example "840539006"
   */
  @Matches(/^\d{6,18}$/, { message: '$property must be a SNOMED CT code: 6 to 18 digits' })
  disease: string;
  /**
   * CVX code of the CDC.
   * @example "208"
   */
  @IsOptional()
  @Matches(/^\d{1,4}$/, { message: '$property must be a CVX code: 1 to 4 digits' })
  cvx_code?: string | null;
  /**
   * ATC code of the WHO.
   * @example J07BN01
   */
  @IsOptional()
  @Matches(/^[A-Z]\d{2}[A-Z]{2}\d{2}$/, { message: '$property must be an ATC code such as J07BN01' })
  who_code?: string | null;
  /**
   * The age from which a person may get it, in months.
   * @example 144
   */
  @IsOptionalNotNull()
  @IsInt()
  @Min(0)
  @Max(MAX_AGE_MONTHS)
  min_age_months?: number;
  /**
   * Persons of this age and older do not get it; null: no limit.
   * @example 1200
   */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MAX_AGE_MONTHS)
  max_age_months?: number | null;
  /**
   * The doses in their order. The first one has no intervals.
   * @example [{ "min_interval_days": 0, "recommended_interval_days": 0, "grace_days": 0 }, { "min_interval_days": 28, "recommended_interval_days": 56, "grace_days": 4 }]
   */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(10)
  @IsObject({ each: true }) // without it, arrays of valid elements would be elements
  @ValidateNested({ each: true })
  @Type(() => DosePlanDto)
  doses: DosePlanDto[];
  /**
   * Whether sessions and bookings of it are possible.
   * @example true
   */
  @IsOptionalNotNull()
  @IsBoolean()
  is_active?: boolean;
}

/** Changes of a vaccine. A field that is left out stays as it is. */
export class UpdateVaccineDto extends PartialType(CreateVaccineDto, { skipNullProperties: false }) {}

/** Query parameters of the list of vaccines. */
export class VaccinesQueryDto extends PageQueryDto {
  /** Only active ones, or only others. */
  @IsQueryBoolean()
  is_active?: boolean;
}

/** A vaccine. */
export class VaccineDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5b */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example CVX-208 */
  code: string;
  /** @example "Comirnaty" */
  name: string;
  /** @example "BioNTech Manufacturing GmbH" */
  manufacturer: string;
  /** @example "840539006" */
  disease: string;
  /** @example "208" */
  cvx_code: string | null;
  /** @example J07BN01 */
  who_code: string | null;
  /** @example 144 */
  min_age_months: number;
  /** @example 1200 */
  max_age_months: number | null;
  doses: DosePlanDto[];
  /** @example true */
  is_active: boolean;
  created_at: Date;
  updated_at: Date;
}

/** A page of vaccines. */
export class VaccinesPageDto {
  items: VaccineDto[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

export const toVaccineDto = (vaccine: Vaccine): VaccineDto => ({ ...vaccine });
