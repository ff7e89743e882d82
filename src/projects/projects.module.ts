import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { PasswordResetsModule } from '../auth/passwords/password-resets.module.js';
import { ReauthenticationModule } from '../auth/reauthentication.module.js';
import { ImagesModule } from '../images/images.module.js';
import { StorageModule } from '../storage/storage.module.js';
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
import { AnnouncementRead } from './announcements/announcement-read.entity.js';
import { Announcement } from './announcements/announcement.entity.js';
import { AnnouncementsController } from './announcements/announcements.controller.js';
import { AnnouncementsService } from './announcements/announcements.service.js';
import { CoversController } from './covers/covers.controller.js';
import { CoverUrlsService } from './projects/cover-urls.service.js';
import { CoversService } from './covers/covers.service.js';
import { DownloadsController } from './downloads/downloads.controller.js';
import { DownloadsService } from './downloads/downloads.service.js';
import { FeedToken } from './feed-tokens/feed-token.entity.js';
import { FeedTokensController } from './feed-tokens/feed-tokens.controller.js';
import { FeedTokensService } from './feed-tokens/feed-tokens.service.js';
import { FeedsController } from './feeds/feeds.controller.js';
import { FeedsService } from './feeds/feeds.service.js';
import { CataloguesService } from './opds/catalogues.service.js';
import { Opds1Controller } from './opds/opds1.controller.js';
import { PageStreamingController } from './opds/page-streaming.controller.js';
import { Opds2Controller } from './opds/opds2.controller.js';
import { BusModule } from '../bus/bus.module.js';
import { CommitRunsService } from './uploads/commits/commit-runs.service.js';
import { CommitsService } from './uploads/commits/commits.service.js';
import { IncomingFilesService } from './uploads/files/incoming-files.service.js';
import { StagedFilesService } from './uploads/files/staged-files.service.js';
import { UploadCleanupService } from './uploads/upload-cleanup.service.js';
import { UploadFile } from './uploads/files/upload-file.entity.js';
import { UploadFilesService } from './uploads/files/upload-files.service.js';
import { UploadProgressService } from './uploads/commits/upload-progress.service.js';
import { Upload } from './uploads/upload.entity.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsService } from './uploads/uploads.service.js';
import { UploadsWorker } from './uploads/uploads.worker.js';
import { UsersModule } from '../users/users.module.js';
import { PageFilesService } from './pages/page-files.service.js';
import { PageRemoval } from './pages/page-removal.entity.js';
import { Page } from './pages/page.entity.js';
import { PageDeliveryService } from './pages/page-delivery.service.js';
import { PageFilesWorker } from './pages/page-files.worker.js';
import { PageTokensService } from './pages/page-tokens.service.js';
import { PagesController } from './pages/pages.controller.js';
import { PagesService } from './pages/pages.service.js';
import { PublishingModerationController } from './moderation/publishing-moderation.controller.js';
import { PublishingModerationService } from './moderation/publishing-moderation.service.js';
import { Report } from './moderation/report.entity.js';
import { ProjectRevision } from './projects/project-revision.entity.js';
import { ProjectSearchService } from './projects/project-search.service.js';
import { ProjectSlug } from './projects/project-slug.entity.js';
import { Project } from './projects/project.entity.js';
import { ProjectsController } from './projects/projects.controller.js';
import { ProjectsService } from './projects/projects.service.js';
import { ProjectsPersonalDataService } from './projects-personal-data.service.js';
import { ReaderAuthenticatorService } from './visibility/reader-authenticator.service.js';

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
      Page,
      PageRemoval,
      Announcement,
      AnnouncementRead,
      Upload,
      UploadFile,
    ]),
    AuditModule,
    AuthModule,
    BusModule,
    ImagesModule,
    PasswordResetsModule,
    ReauthenticationModule,
    StorageModule,
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
    PagesController,
    UploadsController,
    DownloadsController,
    CoversController,
    AnnouncementsController,
    PageStreamingController,
  ],
  providers: [
    ProjectsService,
    ProjectsPersonalDataService,
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
    PagesService,
    PageFilesService,
    PageFilesWorker,
    PageDeliveryService,
    PageTokensService,
    DownloadsService,
    CoversService,
    CoverUrlsService,
    AnnouncementsService,
    ReaderAuthenticatorService,
    UploadsService,
    UploadFilesService,
    IncomingFilesService,
    StagedFilesService,
    CommitsService,
    CommitRunsService,
    UploadProgressService,
    UploadCleanupService,
    UploadsWorker,
  ],
})
export class ProjectsModule {}
