import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { ChapterListsService } from './chapters/chapter-lists.service.js';
import { ChapterPublishingService } from './chapters/chapter-publishing.service.js';
import { ChapterReleaseGroup } from './chapters/chapter-release-group.entity.js';
import { Chapter } from './chapters/chapter.entity.js';
import { ChaptersController } from './chapters/chapters.controller.js';
import { ChaptersService } from './chapters/chapters.service.js';
import { ReleaseGroup } from './chapters/release-group.entity.js';
import { ReleaseGroupsController } from './chapters/release-groups.controller.js';
import { ReleaseGroupsService } from './chapters/release-groups.service.js';
import { BookmarksService } from './reading/bookmarks.service.js';
import { ChapterProgress } from './reading/chapter-progress.entity.js';
import { MyReadingService } from './reading/my-reading.service.js';
import { ProgressService } from './reading/progress.service.js';
import { ProjectBookmark } from './reading/project-bookmark.entity.js';
import { ReadingController } from './reading/reading.controller.js';
import { FeedToken } from './feed-tokens/feed-token.entity.js';
import { FeedTokensController } from './feed-tokens/feed-tokens.controller.js';
import { FeedTokensService } from './feed-tokens/feed-tokens.service.js';
import { FeedsController } from './feeds/feeds.controller.js';
import { FeedsService } from './feeds/feeds.service.js';
import { CataloguesService } from './opds/catalogues.service.js';
import { Opds1Controller } from './opds/opds1.controller.js';
import { Opds2Controller } from './opds/opds2.controller.js';
import { UsersModule } from '../users/users.module.js';
import { PublishingModerationController } from './moderation/publishing-moderation.controller.js';
import { PublishingModerationService } from './moderation/publishing-moderation.service.js';
import { Report } from './moderation/report.entity.js';
import { ProjectRevision } from './projects/project-revision.entity.js';
import { ProjectSearchService } from './projects/project-search.service.js';
import { ProjectSlug } from './projects/project-slug.entity.js';
import { Project } from './projects/project.entity.js';
import { ProjectsController } from './projects/projects.controller.js';
import { ProjectsService } from './projects/projects.service.js';

/** Publishing: projects and their chapters, and who sees them. */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      Project,
      ProjectSlug,
      ProjectRevision,
      Chapter,
      ReleaseGroup,
      ChapterReleaseGroup,
      ProjectBookmark,
      ChapterProgress,
      FeedToken,
      Report,
    ]),
    AuditModule,
    AuthModule,
    UsersModule,
  ],
  controllers: [
    ProjectsController,
    ChaptersController,
    ReleaseGroupsController,
    ReadingController,
    FeedTokensController,
    FeedsController,
    Opds2Controller,
    Opds1Controller,
    PublishingModerationController,
  ],
  providers: [
    ProjectsService,
    ProjectSearchService,
    ChaptersService,
    ChapterListsService,
    ChapterPublishingService,
    ReleaseGroupsService,
    BookmarksService,
    ProgressService,
    MyReadingService,
    FeedTokensService,
    FeedsService,
    CataloguesService,
    PublishingModerationService,
  ],
})
export class ProjectsModule {}
