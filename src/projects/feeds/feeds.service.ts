import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import { FeedTokensService } from '../feed-tokens/feed-tokens.service.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { MyReadingService } from '../reading/my-reading.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';
import type { ChapterFeed } from './feed-formats.js';

const MAX_ITEMS = 50;

/** The feeds of chapters: the latest, those of a project, and those of the projects that a user follows. */
@Injectable()
export class FeedsService {
  constructor(
    private readonly chapters: ChapterListsService,
    private readonly projects: ProjectSearchService,
    private readonly reading: MyReadingService,
    private readonly tokens: FeedTokensService,
    private readonly config: Config,
  ) {}

  /** The latest chapters that the reader sees. */
  async getLatest(reader: Reader, language: string | undefined): Promise<ChapterFeed> {
    const chapters = await this.chapters.findLatest(reader, { language, limit: MAX_ITEMS });
    const { publicUrl } = this.config;
    return this.toFeed(
      'Latest chapters',
      `${publicUrl}/api/feeds/latest`,
      `${publicUrl}/api/chapters/latest`,
      chapters,
    );
  }

  /** The latest chapters of a project that the reader sees. Throws `project_not_found`. */
  async getOfProject(reader: Reader, idOrSlug: string, language: string | undefined): Promise<ChapterFeed> {
    const { id, title } = await this.projects.get(reader, idOrSlug);
    const chapters = await this.chapters.findLatest(reader, {
      language,
      limit: MAX_ITEMS,
      where: (values) => `c.project_id = ${values.add(id)}::uuid`,
    });
    const { publicUrl } = this.config;
    return this.toFeed(title, `${publicUrl}/api/feeds/projects/${id}`, `${publicUrl}/api/projects/${id}`, chapters);
  }

  /** The latest chapters of the projects that the user of a feed token follows. Throws `feed_not_found`. */
  async getPersonal(token: string, language: string | undefined): Promise<ChapterFeed> {
    const user = await this.tokens.findUser(token);
    if (!user) throw new Problem('feed_not_found');
    const chapters = await this.reading.findFeed(readerOf(user), { limit: MAX_ITEMS, language });
    const { publicUrl } = this.config;
    return {
      ...this.toFeed(
        'Chapters of projects that you follow',
        `${publicUrl}/api/feeds/me/${token}`,
        `${publicUrl}/api/me/feed`,
        chapters,
      ),
      id: `urn:uuid:${user.id}`,
    };
  }

  private toFeed(title: string, url: string, link: string, found: ChapterFeed['chapters']): ChapterFeed {
    const chapters = found.slice(0, MAX_ITEMS);
    return { id: url, title, url, link, publicUrl: this.config.publicUrl, chapters };
  }
}
