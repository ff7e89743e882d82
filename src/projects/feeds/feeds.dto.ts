import { PickType } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { AnnouncementsQueryDto } from '../announcements/announcements.dto.js';
import { IsLanguage } from '../fields.js';

/** Query parameters of feeds of chapters. */
export class FeedQueryDto {
  /** @example en */
  @IsOptional()
  @IsLanguage()
  language?: string;
}

/** Query parameters of the feed of announcements. */
export class AnnouncementFeedQueryDto extends PickType(AnnouncementsQueryDto, ['kind']) {}
