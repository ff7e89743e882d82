import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { causeMessage } from '../common/cause-message.js';
import { Clock } from '../common/clock.provider.js';
import { PROBES_FOLDER, Storage } from './storage.js';

/** How long the result of a probe is reused. */
const MAX_AGE_MS = 10_000;

/** Checks whether objects can be written, read and deleted: once at the start, then on request. */
@Injectable()
export class StorageProbeService implements OnApplicationBootstrap {
  private readonly log = new Logger(StorageProbeService.name);
  private last: { at: number; isAvailable: boolean } | undefined;
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly storage: Storage,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.isAvailable();
  }

  /** Whether the storage works. The result is reused for 10 s; concurrent calls share one probe. */
  isAvailable(): Promise<boolean> {
    const age = this.last ? Math.abs(this.clock.now() - this.last.at) : Infinity;
    if (age < MAX_AGE_MS) return Promise.resolve(this.last!.isAvailable);
    this.running ??= this.check().finally(() => (this.running = undefined));
    return this.running;
  }

  private async check(): Promise<boolean> {
    const isAvailable = await probeStorage(this.storage).catch((error: unknown) => {
      this.log.warn(`Storage probe failed (${causeMessage(error)})`);
      return false;
    });
    this.last = { at: this.clock.now(), isAvailable };
    return isAvailable;
  }
}

/** Writes, reads and deletes an object. Rejects, with the reason as the cause, when one of these fails. */
export async function probeStorage(storage: Storage): Promise<true> {
  const key = `${PROBES_FOLDER}${randomUUID()}`;
  const bytes = Buffer.from(key);
  await storage.put(key, bytes, { size: bytes.length, type: 'text/plain', cache_control: 'no-store' });
  const found = await storage.get(key);
  const isSame = found !== null && bytes.equals(await buffer(found.body));
  await storage.delete(key);
  if (!isSame) throw new Error('the stored object was not read back');
  return true;
}
