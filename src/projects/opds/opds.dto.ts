import { IsOptional, IsString, MaxLength } from 'class-validator';
import { IsLine } from '../../http/validation.js';

/** Query parameters of a catalogue. */
export class CatalogueQueryDto {
  /** Comes from the link to the next page. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  cursor?: string;
}

/** Query parameters of the catalogue of projects. */
export class ProjectCatalogueQueryDto extends CatalogueQueryDto {
  /**
   * Words of a title or a person.
   * @example yokohama
   */
  @IsOptional()
  @IsLine(1, 100)
  q?: string;
}
