import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Clock } from '../common/clock.provider.js';
import { Storage } from './storage.js';

/** How long what a probe found is believed. */
const FRESH_MS = 10_000;

/** Knows whether the store can be written, read and deleted from, by doing so: at the start, and when asked later. */
@Injectable()
export class StorageProbeService implements OnApplicationBootstrap {
  private readonly log = new Logger(StorageProbeService.name);
  private last: { at: number; isWell: boolean } | undefined;
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly storage: Storage,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.isWell();
  }

  /** Callers at the same moment share one look, and those shortly after it what it found. */
  isWell(): Promise<boolean> {
    const age = this.last ? Math.abs(this.clock.now() - this.last.at) : Infinity;
    if (age < FRESH_MS) return Promise.resolve(this.last!.isWell);
    this.running ??= this.look().finally(() => (this.running = undefined));
    return this.running;
  }

  private async look(): Promise<boolean> {
    const isWell = await this.probe().catch((error: unknown) => {
      const { cause, message } = error as Error;
      this.log.warn(`the store cannot be used: ${cause instanceof Error ? cause.message : message}`);
      return false;
    });
    this.last = { at: this.clock.now(), isWell };
    return isWell;
  }

  private async probe(): Promise<boolean> {
    const key = `probe/${randomUUID()}`;
    const bytes = Buffer.from(key);
    await this.storage.put(key, bytes, { size: bytes.length, type: 'text/plain', cache_control: 'no-store' });
    const found = await this.storage.get(key);
    const isSame = found !== null && bytes.equals(await buffer(found.body));
    await this.storage.delete(key);
    if (!isSame) throw new Error('it does not give back what was put into it');
    return true;
  }
}
