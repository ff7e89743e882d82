import { Injectable } from '@nestjs/common';
import { unavailable } from '../http/problem.js';

/** Uploads between their first byte and their answer; each may hold a file in memory. */
const MAX_UPLOADS = 32;
const MAX_UPLOADS_PER_USER = 4;

/** Lets so many uploads in at once; the others are told to come back, before any of their bytes are read. */
@Injectable()
export class UploadGateService {
  private readonly inside = new Map<string, number>();
  private count = 0;

  /** Raises `too_many_uploads`. */
  async pass<T>(userId: string, upload: () => Promise<T>): Promise<T> {
    const own = this.inside.get(userId) ?? 0;
    if (this.count >= MAX_UPLOADS || own >= MAX_UPLOADS_PER_USER) throw unavailable('too_many_uploads');
    this.enter(userId, 1);
    try {
      return await upload();
    } finally {
      this.enter(userId, -1);
    }
  }

  private enter(userId: string, step: 1 | -1): void {
    this.count += step;
    const own = (this.inside.get(userId) ?? 0) + step;
    if (own > 0) this.inside.set(userId, own);
    else this.inside.delete(userId);
  }
}
