import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { Clock } from '../../common/clock.provider.js';
import { Problem } from '../../http/problems/problem.js';
import { PROGRESS_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import type { Caller } from '../../users/caller.js';
import { ChapterListsService } from '../chapters/chapter-lists.service.js';
import type { ListedChapter } from '../chapters/chapters.dto.js';
import { readerOf } from '../visibility/reader.js';
import { ChapterProgress } from './chapter-progress.entity.js';
import type { ProgressChangeDto, ProgressDto, SetProgressDto } from './reading.dto.js';

/**
 * The newest change of a chapter counts, in whatever order changes arrive; of two at the same time the farther one. Rows are
 * locked in the order of their ids, so that two merges do not deadlock, and after the user, as where an account is deleted.
 */
const MERGE = `with reader as materialized (select id from users where id = $1 for key share)
  insert into chapter_progress as r (user_id, chapter_id, page, is_read, changed_at)
  select u.id, x.chapter_id, x.page, x.is_read, x.changed_at
  from reader u, unnest($2::uuid[], $3::int[], $4::boolean[], $5::timestamptz[]) x (chapter_id, page, is_read, changed_at)
  order by x.chapter_id
  on conflict (user_id, chapter_id) do update
    set page = excluded.page, is_read = excluded.is_read, changed_at = excluded.changed_at
  where (excluded.changed_at, excluded.is_read, excluded.page) > (r.changed_at, r.is_read, r.page)`;

type Change = Omit<ChapterProgress, 'user_id' | 'user' | 'chapter'>;

/** How far users have read. Offline devices send their changes later, with the time of each. */
@Injectable()
export class ProgressService {
  constructor(
    @InjectRepository(ChapterProgress) private readonly progress: Repository<ChapterProgress>,
    private readonly chapters: ChapterListsService,
    private readonly quotas: QuotasService,
    private readonly clock: Clock,
  ) {}

  /** How far the caller has read a chapter. Throws `chapter_not_found`. */
  async get(caller: Caller, chapterId: string): Promise<ProgressDto> {
    await this.chapters.get(readerOf(caller), chapterId);
    const found = await this.listByChapters(caller, [chapterId]);
    return found.get(chapterId) ?? notOpened(chapterId);
  }

  /** Stores how far the caller has read a chapter, unless a newer change is stored. Throws `chapter_not_found`, `rate_limited`. */
  async set(caller: Caller, chapterId: string, dto: SetProgressDto): Promise<ProgressDto> {
    const [progress] = await this.merge(caller, [{ ...dto, chapter_id: chapterId }]);
    if (!progress) throw new Problem('chapter_not_found');
    return progress;
  }

  /** Stores the changes of an offline device. Returns what is stored of the chapters that the caller sees. Throws `rate_limited`. */
  async merge(caller: Caller, dtos: ProgressChangeDto[]): Promise<ProgressDto[]> {
    await this.quotas.reserve(PROGRESS_QUOTA, caller.id);
    const wanted = dtos.map((dto) => ({ ...dto, chapter_id: dto.chapter_id.toLowerCase() }));
    const ids = [...new Set(wanted.map(({ chapter_id }) => chapter_id))];
    const chapters = new Map((await this.chapters.listByIds(readerOf(caller), ids)).map((each) => [each.id, each]));
    const now = this.clock.date();
    const changes = new Map<string, Change>();
    for (const dto of wanted) {
      const chapter = chapters.get(dto.chapter_id);
      if (!chapter) continue;
      const change = toChange(dto, chapter, now);
      const other = changes.get(chapter.id);
      if (!other || isNewer(change, other)) changes.set(chapter.id, change);
    }
    await this.store(caller, [...changes.values()]);
    return [...(await this.listByChapters(caller, [...changes.keys()])).values()];
  }

  /** The caller's progress by chapter, of chapters that they have opened. */
  async listByChapters(caller: Caller, ids: string[]): Promise<Map<string, ProgressDto>> {
    const rows = ids.length === 0 ? [] : await this.progress.findBy({ user_id: caller.id, chapter_id: In(ids) });
    return new Map(
      rows.map(({ chapter_id, page, is_read, changed_at }) => [chapter_id, { chapter_id, page, is_read, changed_at }]),
    );
  }

  private async store(caller: Caller, changes: Change[]): Promise<void> {
    if (changes.length === 0) return;
    await this.progress.query(MERGE, [
      caller.id,
      changes.map(({ chapter_id }) => chapter_id),
      changes.map(({ page }) => page),
      changes.map(({ is_read }) => is_read),
      changes.map(({ changed_at }) => changed_at),
    ]);
  }
}

/** Progress in a chapter that the user has not opened. */
export const notOpened = (chapter_id: string): ProgressDto => ({
  chapter_id,
  page: 0,
  is_read: false,
  changed_at: null,
});

/** A device whose clock is fast must not win over later changes for ever, so no change is in the future. */
function toChange(dto: ProgressChangeDto, { id, page_count }: ListedChapter, now: Date): Change {
  const last = page_count === 0 ? (dto.page ?? 0) : page_count;
  const page = Math.min(dto.page ?? (dto.is_read ? last : 0), last);
  const is_read = dto.is_read ?? (page_count > 0 && page === page_count);
  const changed_at = dto.changed_at === undefined || dto.changed_at > now ? now : dto.changed_at;
  return { chapter_id: id, page, is_read, changed_at };
}

/** The order that `MERGE` applies. */
function isNewer(one: Change, other: Change): boolean {
  if (one.changed_at.getTime() !== other.changed_at.getTime()) return one.changed_at > other.changed_at;
  return one.is_read === other.is_read ? one.page > other.page : one.is_read;
}
