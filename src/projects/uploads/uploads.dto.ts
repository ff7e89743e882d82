import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsObject, IsUUID, ValidateNested } from 'class-validator';
import { IsOptionalNotNull } from '../../http/validation.js';
import { IsVersion } from '../../http/versions.dto.js';
import { CreateChapterDto } from '../chapters/chapters.dto.js';
import { UPLOAD_LIMITS } from './limits.js';
import type { Upload, UploadState } from './upload.entity.js';
import type { UploadFile } from './files/upload-file.entity.js';

/** An upload to start: of a new chapter of a project, or of the pages of a draft. Send one of the two ids. */
export class StartUploadDto {
  /**
   * The commit creates a chapter of this project.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c
   */
  @IsOptionalNotNull()
  @IsUUID()
  @ApiProperty({ format: 'uuid' })
  project_id?: string;
  /**
   * A draft, or a chapter whose earlier upload failed, which gets the pages.
   * @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e
   */
  @IsOptionalNotNull()
  @IsUUID()
  @ApiProperty({ format: 'uuid' })
  chapter_id?: string;
}

/** One of the two ids is sent, so that no example has both. */
export const START_UPLOAD_EXAMPLES = {
  project: { summary: 'A new chapter of a project', value: { project_id: '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5c' } },
  chapter: { summary: 'The pages of a draft', value: { chapter_id: '0199c2a4-6f00-7a11-9c55-0b1d2e3f4a5e' } },
};

class VersionDto {
  /**
   * The version of the upload that the change is based on; or send `If-Match`.
   * @example 3
   */
  @IsVersion()
  version?: number;
}

/** A form with files. */
export class UploadFilesDto {
  /** Each picture is a part named `files`. */
  @ApiProperty({ type: 'array', items: { type: 'string', format: 'binary' } })
  files: unknown[];
}

/** A new order of the files of an upload. */
export class OrderUploadDto extends VersionDto {
  /** The ids of all its files, in the order of the pages. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(UPLOAD_LIMITS.files)
  @IsUUID(undefined, { each: true })
  @ApiProperty({ type: [String], format: undefined, items: { type: 'string', format: 'uuid' } })
  file_ids: string[];
}

/** The end of an upload: its files become the pages of a chapter. */
export class CommitUploadDto extends VersionDto {
  /** The chapter to create; not for an upload that was started for a draft. */
  @IsOptionalNotNull()
  @IsObject()
  @ValidateNested()
  @Type(() => CreateChapterDto)
  chapter?: CreateChapterDto;
}

/** A file of an upload. */
export class UploadFileDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a61 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /**
   * As uploaded; with its path for a page of an archive.
   * @example "001.png"
   */
  name: string;
  /**
   * In bytes.
   * @example 482133
   */
  @ApiProperty({ type: 'integer' })
  size: number;
  /**
   * SHA-256 in hexadecimal digits. A client that resumes finds by it which files have arrived.
   * @example "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
   */
  sha256: string;
}

/** An upload session. */
export class UploadDto {
  /** @example 0199c2a4-6f00-7a11-9c55-0b1d2e3f4a60 */
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** Null: the project has been deleted. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  project_id: string | null;
  /** The chapter that gets the pages; null: the commit creates it. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  chapter_id: string | null;
  /** @example open */
  @ApiProperty({ enum: ['open', 'committing', 'committed', 'failed'] })
  state: Exclude<UploadState, 'abandoned'>;
  /**
   * Increases with each change of the files.
   * @example 3
   */
  version: number;
  /**
   * How many pages of the commit are processed.
   * @example 12
   */
  done: number;
  /**
   * How many pages there are.
   * @example 24
   */
  total: number;
  /**
   * Of all files together.
   * @example 11571192
   */
  @ApiProperty({ type: 'integer' })
  byte_count: number;
  /** The files in the order of the pages; none when the commit has ended. */
  files: UploadFileDto[];
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
  created_at: Date;
  /** When an open upload is abandoned, and when the result of a commit is forgotten. */
  expires_at: Date;
}

export const toUploadDto = (upload: Upload, files: UploadFile[]): UploadDto => ({
  id: upload.id,
  project_id: upload.project_id,
  chapter_id: upload.chapter_id,
  state: upload.state as UploadDto['state'],
  version: upload.version,
  done: upload.done,
  total: upload.file_count,
  byte_count: Number(upload.byte_count),
  files: files.map(({ id, name, size, sha256 }) => ({ id, name, size, sha256 })),
  problem: upload.problem,
  problem_file: upload.problem_file,
  created_at: upload.created_at,
  expires_at: upload.expires_at,
});
