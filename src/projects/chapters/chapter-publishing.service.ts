import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditService } from '../../audit/audit.service.js';
import { Clock } from '../../common/clock.provider.js';
import { Config } from '../../config/config.js';
import { Chapter, type ChapterState } from './chapter.entity.js';
import { lockChapter, shownAt } from './chapters.service.js';

/** The user whose upload is published. The session is null in background work. */
export interface Uploader {
  id: string;
  session_id: string | null;
  isAdmin: boolean;
}

type Changes = Partial<Pick<Chapter, 'state' | 'rejection_reason' | 'page_count'>>;

/** Moves chapters between their states. */
@Injectable()
export class ChapterPublishingService {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly audit: AuditService,
  ) {}

  /**
   * Publishes a chapter with its pages, or with `CHAPTER_REVIEW=first` hands it to the moderators when the uploader has no
   * published chapter yet. Returns the new state. Throws `chapter_not_found`.
   */
  async publish(manager: EntityManager, uploader: Uploader, id: string, page_count: number): Promise<ChapterState> {
    if (!(await this.needsReview(manager, uploader))) {
      await this.show(manager, id, { page_count });
      await this.record(manager, uploader, id, 'chapter.published');
      return 'published';
    }
    await this.change(manager, id, { state: 'review', page_count });
    await this.record(manager, uploader, id, 'chapter.submitted');
    return 'review';
  }

  /** Makes a chapter published, from whatever state. Throws `chapter_not_found`. */
  async show(manager: EntityManager, id: string, changes: { page_count?: number } = {}): Promise<void> {
    const { chapter, project } = await lockChapter(manager, id);
    const now = this.clock.date();
    const state = 'published' as const;
    await manager.update(Chapter, id, {
      ...changes,
      state,
      rejection_reason: null,
      published_at: chapter.published_at ?? now,
      shown_at: shownAt({ ...chapter, state }, project, now),
      version: chapter.version + 1,
      updated_at: now,
    });
  }

  /** Sets a state other than `published` and `rejected`. Throws `chapter_not_found`. */
  async setState(
    manager: EntityManager,
    id: string,
    state: Exclude<ChapterState, 'published' | 'rejected'>,
  ): Promise<void> {
    await this.change(manager, id, { state });
  }

  /** Marks a chapter as refused by a moderator, with the reason that its uploader reads. Throws `chapter_not_found`. */
  async reject(manager: EntityManager, id: string, rejection_reason: string): Promise<void> {
    await this.change(manager, id, { state: 'rejected', rejection_reason });
  }

  private async change(manager: EntityManager, id: string, changes: Changes): Promise<void> {
    const { chapter } = await lockChapter(manager, id);
    const version = chapter.version + 1;
    await manager.update(Chapter, id, { rejection_reason: null, ...changes, version, updated_at: this.clock.date() });
  }

  private async needsReview(manager: EntityManager, uploader: Uploader): Promise<boolean> {
    if (this.config.CHAPTER_REVIEW === 'off' || uploader.isAdmin) return false;
    return !(await manager.existsBy(Chapter, { uploader_id: uploader.id, state: 'published' }));
  }

  private record(
    manager: EntityManager,
    { id: actor_id, session_id }: Uploader,
    subject_id: string,
    action: 'chapter.published' | 'chapter.submitted',
  ): Promise<void> {
    return this.audit.write(manager, { action, actor_id, session_id, subject_id });
  }
}
