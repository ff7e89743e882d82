import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { once } from 'node:events';
import { catchError, defer, finalize, type Observable, race, Subject, switchMap, tap } from 'rxjs';
import type { Clock } from '../common/clock.provider.js';
import { drainRequest } from '../http/bodies/drain-request.js';
import { ResultCounter } from '../http/metrics/result-counter.js';
import { Problem, unavailable } from '../http/problems/problem.js';
import type { MetricsService } from '../metrics/metrics.service.js';
import type { Quota } from './quotas.js';
import type { QuotasService } from './quotas.service.js';

/** What differs between routes that take uploads. */
export interface UploadSlotsOptions {
  /** In the metrics. */
  kind: string;
  /** Uploads of one process between their first byte and their response. */
  maxUploads: number;
  maxUploadsPerUser: number;
  /** Counts the uploads of a user. */
  quota: Quota;
  /** Whether a request is an upload; others pass. */
  isUpload: (request: Request) => boolean;
  /** Refuses an upload by its headers. */
  assertHeaders: (request: Request) => void;
}

/** A request of a signed-in user. */
type UserRequest = Request & { user: { id: string } };

/** An upload must reach this average rate, except in its first seconds. */
const MIN_BYTES_PER_SECOND = 8 * 1024;
const SLOW_START_MS = 5000;
const RATE_CHECK_INTERVAL_MS = 500;

/** When all slots are taken, an upload that has been arriving for longer than this can lose its slot. */
const PROTECTED_MS = 2000;

/** The slot of an upload. */
interface Upload {
  userId: string;
  /** When the server began to read the body, later by the time in which it did not read; Infinity before. */
  startedAt: number;
  checkedAt: number;
  /** Bytes of the body that have arrived. */
  receivedBytes: () => number;
  /** The rest of the body has not arrived yet. */
  isArriving: () => boolean;
  /** Bytes have arrived that the server has not read yet, for example because the storage is slow. */
  isUnread: () => boolean;
  /** Emits an error when the upload loses its slot. */
  refusal: Subject<never>;
}

/**
 * Limits how many uploads are received and processed at once. An upload takes a slot, and counts against the user's quota,
 * when its first bytes arrive: a client that sends nothing holds only its connection. A client that sends too slowly
 * loses the slot. A client whose upload is refused may go on sending for a second. Throws `too_many_uploads`,
 * `rate_limited`, `request_timeout`, `unsupported_media_type` for JSON and what `assertHeaders` throws.
 */
@Injectable()
export abstract class UploadSlotsInterceptor implements NestInterceptor {
  private readonly uploads = new Set<Upload>();
  private readonly results: ResultCounter<'kind'>;

  constructor(
    private readonly quotas: QuotasService,
    private readonly clock: Clock,
    private readonly options: UploadSlotsOptions,
    metrics: MetricsService,
  ) {
    const { kind } = options;
    this.results = new ResultCounter(metrics, 'machi_uploads_total', 'Uploads by kind and result.', ['kind']);
    metrics.gauge('machi_uploads_active', 'Uploads that hold a slot.', () => this.uploads.size, { kind });
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<UserRequest>();
    if (!this.options.isUpload(request)) return next.handle();
    const { kind } = this.options;
    return defer(() => this.admit(request)).pipe(
      switchMap(() => this.runInSlot(request, next)),
      tap({
        complete: () => this.results.add('ok', { kind }),
        error: (error: unknown) => this.results.addError(error, { kind }),
      }),
      catchError(async (error: unknown) => {
        await drainRequest(request);
        throw error;
      }),
    );
  }

  /** Refuses an upload by its headers, or waits for its body. */
  private async admit(request: UserRequest): Promise<void> {
    this.assertSlotAvailable(request.user.id);
    this.options.assertHeaders(request);
    if (request.readableEnded) throw new Problem('unsupported_media_type'); // jsonParser has read the body
    if (request.destroyed) throw new Problem('request_timeout');
    await waitForFirstByte(request);
  }

  private runInSlot(request: UserRequest, next: CallHandler): Observable<unknown> {
    const upload = this.takeSlot(request, request.user.id);
    const rateCheck = setInterval(() => this.refuseIfSlow(upload), RATE_CHECK_INTERVAL_MS);
    const handled = defer(() => this.quotas.consume(this.options.quota, upload.userId)).pipe(
      switchMap(() => {
        upload.startedAt = this.clock.now();
        return next.handle();
      }),
    );
    return race(upload.refusal, handled).pipe(
      finalize(() => {
        clearInterval(rateCheck);
        this.uploads.delete(upload);
      }),
    );
  }

  private takeSlot(request: Request, userId: string): Upload {
    this.assertSlotAvailable(userId);
    if (this.uploads.size >= this.options.maxUploads)
      this.findReplaceable()?.refusal.error(unavailable('too_many_uploads'));
    // Listening for the bytes would start the stream before its reader is there.
    const { socket } = request;
    const bytesBefore = socket.bytesRead - request.readableLength;
    const upload: Upload = {
      userId,
      startedAt: Infinity,
      checkedAt: this.clock.now(),
      receivedBytes: () => socket.bytesRead - bytesBefore,
      isArriving: () => !request.complete,
      isUnread: () => request.readableLength > 0,
      refusal: new Subject(),
    };
    this.uploads.add(upload);
    return upload;
  }

  private assertSlotAvailable(userId: string): void {
    const ofUser = [...this.uploads].filter((upload) => upload.userId === userId).length;
    const isFull = this.uploads.size >= this.options.maxUploads && !this.findReplaceable();
    if (isFull || ofUser >= this.options.maxUploadsPerUser) throw unavailable('too_many_uploads');
  }

  /** The slowest upload that is still arriving and has had its slot for a while. */
  private findReplaceable(): Upload | undefined {
    return [...this.uploads]
      .filter((upload) => upload.isArriving() && this.durationOf(upload) > PROTECTED_MS)
      .toSorted((a, b) => this.rateOf(a) - this.rateOf(b))[0];
  }

  private refuseIfSlow(upload: Upload): void {
    const now = this.clock.now();
    // The client cannot send faster than the server reads.
    if (upload.isUnread()) upload.startedAt += Math.max(0, now - upload.checkedAt);
    upload.checkedAt = now;
    const isSlow = this.durationOf(upload) > SLOW_START_MS && this.rateOf(upload) < MIN_BYTES_PER_SECOND;
    if (isSlow && upload.isArriving()) upload.refusal.error(new Problem('request_timeout'));
  }

  /** In milliseconds; not positive before the server has begun to read. */
  private durationOf(upload: Upload): number {
    const now = this.clock.now();
    if (upload.startedAt !== Infinity) upload.startedAt = Math.min(upload.startedAt, now); // the clock may have been set back
    return now - upload.startedAt;
  }

  /** Average bytes per second. */
  private rateOf(upload: Upload): number {
    return (upload.receivedBytes() * 1000) / Math.max(1, this.durationOf(upload));
  }
}

/** Resolves when the body has begun or has ended. Nothing is consumed. Throws `request_timeout` on a disconnect. */
async function waitForFirstByte(request: Request): Promise<void> {
  if (request.complete) return; // an empty body would never become readable
  await once(request, 'readable').catch((cause: unknown) => {
    throw new Problem('request_timeout', { cause });
  });
}
