import { Injectable } from '@nestjs/common';
import { UserEventsService } from '../../../bus/user-events.service.js';
import type { Upload } from '../upload.entity.js';

/** The progress of a commit is published at most this often. */
const INTERVAL_MS = 250;

type Progress = Pick<
  Upload,
  'id' | 'user_id' | 'chapter_id' | 'state' | 'done' | 'file_count' | 'problem' | 'problem_file'
>;

/** Publishes to users how far their commits are, over the chat. */
@Injectable()
export class UploadProgressService {
  private readonly sentAt = new Map<string, number>();

  constructor(private readonly events: UserEventsService) {}

  /** Publishes the state and the progress of an upload. While it commits, at most once per `INTERVAL_MS`. */
  publish(upload: Progress): void {
    const { id, user_id, state } = upload;
    if (user_id === null) return;
    const now = performance.now();
    if (state === 'committing' && now - (this.sentAt.get(id) ?? -Infinity) < INTERVAL_MS) return;
    if (state === 'committing') this.sentAt.set(id, now);
    else this.sentAt.delete(id);
    const { chapter_id, done, file_count: total, problem, problem_file } = upload;
    const data = { upload_id: id, chapter_id, state, done, total, problem, problem_file };
    this.events.publish({ user_id, type: 'upload_progress', data });
  }
}
