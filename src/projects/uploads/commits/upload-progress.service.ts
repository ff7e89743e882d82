import { Injectable } from '@nestjs/common';
import { UserEventsService } from '../../../bus/user-events.service.js';
import type { Upload } from '../upload.entity.js';

/** Pages of a commit are told at most this often. */
const INTERVAL_MS = 250;

type Progress = Pick<
  Upload,
  'id' | 'user_id' | 'chapter_id' | 'state' | 'done' | 'file_count' | 'problem' | 'problem_file'
>;

/** Tells users how far their commits are, over the chat. */
@Injectable()
export class UploadProgressService {
  private readonly toldAt = new Map<string, number>();

  constructor(private readonly events: UserEventsService) {}

  /** Tells the state and the progress of an upload, unless it was told a moment ago. */
  tell(upload: Progress): void {
    const { id, user_id, state } = upload;
    if (user_id === null) return;
    const now = performance.now();
    if (state === 'committing' && now - (this.toldAt.get(id) ?? -Infinity) < INTERVAL_MS) return;
    if (state === 'committing') this.toldAt.set(id, now);
    else this.toldAt.delete(id);
    const { chapter_id, done, file_count: total, problem, problem_file } = upload;
    const data = { upload_id: id, chapter_id, state, done, total, problem, problem_file };
    this.events.publish({ user_id, type: 'upload_progress', data });
  }
}
