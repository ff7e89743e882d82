import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { IsQueryInt } from './pagination.dto.js';
import { IsOptionalNotNull } from './validation.js';

const MAX_VERSION = 999_999_999;

/** The version that a change is based on, as a field of its body. `If-Match` may name it instead. */
export const IsVersion = (): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_VERSION }),
    IsOptionalNotNull(),
    IsInt(),
    Min(1),
    Max(MAX_VERSION),
  );

/** The version that a decision of staff is based on. Older clients send none. */
export class DecisionDto {
  /**
   * The version that the caller has read; or send `If-Match`. Without either, the decision is about the newest version.
   * @example 3
   */
  @IsVersion()
  version?: number;
}

/** The version that a removal is based on. */
export class VersionQueryDto {
  /**
   * The version that the caller knows; or send `If-Match`.
   * @example 3
   */
  @IsQueryInt(1, MAX_VERSION)
  version?: number;
}
