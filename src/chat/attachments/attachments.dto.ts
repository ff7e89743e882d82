import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { PAGE_VARIANTS, type PageVariant } from '../../images/image-jobs.js';
import { AttachmentDto } from '../protocol/message.dto.js';

/** The form that uploads an attachment. */
export class UploadAttachmentDto {
  /** A JPEG, PNG, WebP, GIF or AVIF of at most 25 MiB. */
  @ApiProperty({ type: 'string', format: 'binary' })
  file: unknown;
}

/** Query parameters of the image of an attachment. */
export class AttachmentImageQueryDto {
  /** The default is `reader`. */
  @IsOptional()
  @IsIn(PAGE_VARIANTS)
  @ApiProperty({ enum: PAGE_VARIANTS, required: false })
  variant?: PageVariant;
  /** Comes with the addresses that `GET /api/chat/attachments/{id}` returns. */
  @IsOptional()
  @Matches(/^[\w-]{1,100}$/)
  token?: string;
}

/**
 * The addresses of the files of an attachment, each relative to this server. They are valid for 10 to 15 minutes, as long as the caller
 * may read the message and the session lasts.
 */
export class AttachmentImagesDto {
  /**
   * The uploaded file without its metadata.
   * @example "/api/chat/attachments/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=original&token=x"
   */
  original: string;
  /**
   * WebP of at most 1600 pixels in width.
   * @example "/api/chat/attachments/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=reader&token=x"
   */
  reader: string;
  /**
   * WebP of low quality, of at most 960 pixels in width.
   * @example "/api/chat/attachments/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=data_saver&token=x"
   */
  data_saver: string;
  /**
   * JPEG of at most 256 pixels in width.
   * @example "/api/chat/attachments/0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60/image?variant=thumbnail&token=x"
   */
  thumbnail: string;
}

/** An attachment with the addresses of its files. */
export class AttachmentWithImagesDto extends AttachmentDto {
  images: AttachmentImagesDto;
}
