import { IsOptional, IsString, MaxLength } from 'class-validator';
import { IsQueryInt } from '../../http/pagination.dto.js';
import { IsLine } from '../../http/validation.js';

/** Query parameters of a catalogue. */
export class CatalogueQueryDto {
  /** Comes from the link to the next page. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  cursor?: string;
}

/** Query parameters of the image of a page. */
export class CataloguePageQueryDto {
  /** The width in pixels that the reader can show. The answer may be wider; without it, it is the original. */
  @IsQueryInt(1, 100_000)
  width?: number;
}

/** Query parameters of the catalogue of projects. */
export class ProjectCatalogueQueryDto extends CatalogueQueryDto {
  /**
   * Words of a title or a person.
   * @example yokohama
   */
  @IsOptional()
  @IsLine(1, 100)
  query?: string;
}
