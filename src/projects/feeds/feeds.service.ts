import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Problem } from '../../http/problems/problem.js';
import { AnnouncementsService } from '../announcements/announcements.service.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import { CoverUrlsService } from '../projects/cover-urls.service.js';
import { FeedTokensService } from '../feed-tokens/feed-tokens.service.js';
import { ProjectSearchService } from '../projects/project-search.service.js';
import { MyReadingService } from '../reading/my-reading.service.js';
import { type Reader, readerOf } from '../visibility/reader.js';
import type { Feed } from './feed-formats.js';
import type { AnnouncementFeedQueryDto } from './feeds.dto.js';
import { toAnnouncementItem, toChapterItem } from './feed-items.js';

const MAX_ITEMS = 50;

/** Feeds: of the latest chapters, those of a project, those of the projects that a user follows, and of announcements. */
@Injectable()
export class FeedsService {
  constructor(
    private readonly chapters: ChapterListsService,
    private readonly projects: ProjectSearchService,
    private readonly reading: MyReadingService,
    private readonly announcements: AnnouncementsService,
    private readonly coverUrls: CoverUrlsService,
    private readonly tokens: FeedTokensService,
    private readonly config: Config,
  ) {}

  /** The latest chapters that the reader sees. */
  async getLatest(reader: Reader, language: string | undefined): Promise<Feed> {
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
  async getOfProject(reader: Reader, idOrSlug: string, language: string | undefined): Promise<Feed> {
    const project = await this.projects.get(reader, idOrSlug);
    const { id, title } = project;
    const cover = this.coverUrls.get(reader, project);
    const chapters = await this.chapters.findLatest(reader, {
      language,
      limit: MAX_ITEMS,
      where: (values) => `c.project_id = ${values.add(id)}::uuid`,
    });
    const { publicUrl } = this.config;
    return {
      ...this.toFeed(title, `${publicUrl}/api/feeds/projects/${id}`, `${publicUrl}/api/projects/${id}`, chapters),
      image: cover === null ? undefined : new URL(cover.thumbnail, publicUrl).href,
    };
  }

  /** The latest chapters of the projects that the user of a feed token follows. Throws `feed_not_found`. */
  async getPersonal(token: string, language: string | undefined): Promise<Feed> {
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

  /** The newest announcements and blog posts that the reader sees. */
  async getAnnouncements(reader: Reader, { kind }: AnnouncementFeedQueryDto): Promise<Feed> {
    const { publicUrl } = this.config;
    const url = `${publicUrl}/api/feeds/announcements`;
    const rows = await this.announcements.listPublished(reader, kind, MAX_ITEMS);
    return {
      id: url,
      title: 'Announcements',
      url,
      link: `${publicUrl}/api/announcements`,
      items: rows.map((row) => toAnnouncementItem(row, publicUrl)),
    };
  }

  private toFeed(title: string, url: string, link: string, chapters: ListedChapter[]): Feed {
    const items = chapters.slice(0, MAX_ITEMS).map((chapter) => toChapterItem(chapter, this.config.publicUrl));
    return { id: url, title, url, link, items };
  }
}
