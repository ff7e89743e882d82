import { ApiProperty } from '@nestjs/swagger';

/** The form that uploads a cover. */
export class UploadCoverDto {
  /** A JPEG, PNG, WebP, GIF or AVIF of at most 25 MiB. */
  @ApiProperty({ type: 'string', format: 'binary' })
  cover: unknown;
}
