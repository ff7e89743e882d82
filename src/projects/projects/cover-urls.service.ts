import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { PageTokensService } from '../pages/page-tokens.service.js';
import { imageUrls } from '../../stored-images/image-urls.js';
import type { PageImagesDto } from '../pages/pages.dto.js';
import type { Reader } from '../visibility/reader.js';
import { isProjectPublic } from '../visibility/visibility.js';
import type { Project } from './project.entity.js';

/** Makes the addresses of covers. */
@Injectable()
export class CoverUrlsService {
  constructor(
    private readonly tokens: PageTokensService,
    private readonly config: Config,
  ) {}

  /** Addresses of the cover of a project that work for this reader; null: there is no cover. */
  get(reader: Reader, project: Pick<Project, 'cover_id' | 'is_hidden'>): PageImagesDto | null {
    const { cover_id } = project;
    if (cover_id === null) return null;
    const token = isProjectPublic(this.config, project) ? undefined : this.tokens.create(reader, cover_id);
    return imageUrls(`/api/covers/${cover_id}/image`, token);
  }
}
