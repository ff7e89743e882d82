import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { BusService } from '../../bus/bus.service.js';
import { RequestCounts } from './request-counts.js';

const KIND = 'request_counts';
const INTERVAL_MS = 1_000;
/** Fits into the smallest frame of a driver. */
const MAX_PER_ITEM = 100;

type Head = [quotaName: string, requests: [subject: string, count: number][], windowEnd: number];

/**
 * Counts of requests that are held in memory. The nodes share them every second; while the bus is not
 * reached, each node counts for itself.
 */
@Injectable()
export class RequestCountsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly byQuota = new Map<string, RequestCounts>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly bus: BusService) {
    bus.onItem(KIND, ([name, requests, windowEnd]: Head) => this.of(name).addRemote(requests, windowEnd));
  }

  onApplicationBootstrap(): void {
    if (this.bus.isShared) this.timer = setInterval(() => this.share(), INTERVAL_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** The counts of the quota with this name. */
  of(quotaName: string): RequestCounts {
    let counts = this.byQuota.get(quotaName);
    if (!counts) this.byQuota.set(quotaName, (counts = new RequestCounts(this.bus.isShared)));
    return counts;
  }

  private share(): void {
    for (const [name, counts] of this.byQuota) {
      const { requests, windowEnd } = counts.takeUnshared();
      for (let i = 0; i < requests.length; i += MAX_PER_ITEM) {
        const head: Head = [name, requests.slice(i, i + MAX_PER_ITEM), windowEnd];
        this.bus.send(0, { kind: KIND, head });
      }
    }
  }
}
