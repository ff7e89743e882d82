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
    ]),
    AuditModule,
    AuthModule,
  ],
  controllers: [ProjectsController, ChaptersController, ReleaseGroupsController, ReadingController],
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
  ],
})
export class ProjectsModule {}
