import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { PAGE_VARIANTS, type PageVariant } from '../../images/image-jobs.js';
import type { Page } from './page.entity.js';

/** Query parameters of the image of a page. */
export class PageImageQueryDto {
  /** The default is `reader`. */
  @IsOptional()
  @IsIn(PAGE_VARIANTS)
  @ApiProperty({ enum: PAGE_VARIANTS, required: false })
  variant?: PageVariant;
  /** Comes with the addresses of images that not everyone sees. */
  @IsOptional()
  @Matches(/^[\w-]{1,100}$/)
  token?: string;
}

/** The addresses of the files of a page, each relative to this server. They are valid for 10 to 15 minutes if they contain a token. */
export class PageImagesDto {
  /**
   * The uploaded file without its metadata.
   * @example "/api/pages/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=original"
   */
  original: string;
  /**
   * WebP of at most 1600 pixels in width.
   * @example "/api/pages/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=reader"
   */
  reader: string;
  /**
   * WebP of low quality, of at most 960 pixels in width.
   * @example "/api/pages/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=data_saver"
   */
  data_saver: string;
  /**
   * JPEG of at most 256 pixels in width.
   * @example "/api/pages/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=thumbnail"
   */
  thumbnail: string;
}

/** A page of a chapter. */
export class PageDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** @example 1784 */
  width: number;
  /** @example 2560 */
  height: number;
  /**
   * Of the original. The thumbnail is a JPEG, the other files are WebP.
   * @example jpeg
   */
  format: Page['format'];
  images: PageImagesDto;
}
