import { ApiProperty } from '@nestjs/swagger';

/** The progress of the commit of one of the user's uploads. */
export class UploadProgressDto {
  /** @example "0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60" */
  upload_id: string;
  /**
   * Null: the chapter has been deleted.
   * @example "0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e"
   */
  chapter_id: string | null;
  /** @example committing */
  @ApiProperty({ enum: ['committing', 'committed', 'failed'] })
  state: 'committing' | 'committed' | 'failed';
  /**
   * How many pages are processed.
   * @example 12
   */
  done: number;
  /**
   * How many pages there are.
   * @example 24
   */
  total: number;
  /**
   * The code of the problem that failed the commit.
   * @example picture_damaged
   */
  problem: string | null;
  /**
   * The file that failed the commit.
   * @example "007.png"
   */
  problem_file: string | null;
}

/** The connection gets the progress of uploads from now on. */
export class WatchingUploadsDto {
  /** @example true */
  is_watching: boolean;
}
