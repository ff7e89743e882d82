import { IsOptional } from 'class-validator';
import { IsLanguage } from '../fields.js';

/** Query parameters of feeds. */
export class FeedQueryDto {
  /** @example en */
  @IsOptional()
  @IsLanguage()
  language?: string;
}
