import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { once } from 'node:events';
import { catchError, defer, finalize, type Observable, race, Subject, switchMap } from 'rxjs';
import { Clock } from '../../common/clock.provider.js';
import { drainRequest } from '../../http/bodies/drain-request.js';
import { isMultipart } from '../../http/bodies/body.guard.js';
import { Problem, unavailable } from '../../http/problems/problem.js';
import { UPLOAD_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import type { Caller } from '../../users/caller.js';
import { assertFormHeaders } from './avatar-form.interceptor.js';

/** Uploads of one process between their first byte and their response. Each may hold a file of 5 MiB in memory. */
const MAX_UPLOADS = 32;
const MAX_UPLOADS_PER_USER = 4;

/** An upload must reach this average rate, except in its first seconds. */
const MIN_BYTES_PER_SECOND = 8 * 1024;
const SLOW_START_MS = 5000;
const RATE_CHECK_INTERVAL_MS = 500;

/** When all slots are taken, an upload that has been arriving for longer than this can lose its slot. */
const PROTECTED_MS = 2000;

/** The slot of an upload. */
interface Upload {
  userId: string;
  /** When the server began to read the form; Infinity before. */
  startedAt: number;
  receivedBytes: number;
  /** The rest of the form has not arrived yet. */
  isArriving: () => boolean;
  /** Emits an error when the upload loses its slot. */
  refusal: Subject<never>;
}

/**
 * Limits how many forms are received and processed at once. A form takes a slot, and counts against the user's quota,
 * when its first bytes arrive: a client that sends nothing holds only its connection. A client that sends too slowly
 * loses the slot. A client whose form is refused may go on sending for a second. Throws `too_many_uploads`,
 * `rate_limited`, `request_timeout`, `file_too_large` and `form_expected`.
 */
@Injectable()
export class UploadSlotsInterceptor implements NestInterceptor {
  private readonly uploads = new Set<Upload>();

  constructor(
    private readonly quotas: QuotasService,
    private readonly clock: Clock,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Request & { user: Caller }>();
    if (!isMultipart(request)) return next.handle();
    return defer(() => this.admit(request)).pipe(
      switchMap(() => this.runInSlot(request, next)),
      catchError(async (error: unknown) => {
        await drainRequest(request);
        throw error;
      }),
    );
  }

  /** Refuses a form by its headers, or waits for its body. */
  private async admit(request: Request & { user: Caller }): Promise<void> {
    this.assertSlotAvailable(request.user.id);
    assertFormHeaders(request);
    await waitForFirstByte(request);
  }

  private runInSlot(request: Request & { user: Caller }, next: CallHandler): Observable<unknown> {
    const upload = this.takeSlot(request, request.user.id);
    const rateCheck = setInterval(() => this.refuseIfSlow(upload), RATE_CHECK_INTERVAL_MS);
    const handled = defer(() => this.quotas.consume(UPLOAD_QUOTA, upload.userId)).pipe(
      switchMap(() => {
        upload.startedAt = this.clock.now();
        request.on('data', ({ length }: Buffer) => (upload.receivedBytes += length));
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
    if (this.uploads.size >= MAX_UPLOADS) this.findReplaceable()?.refusal.error(unavailable('too_many_uploads'));
    const upload: Upload = {
      userId,
      startedAt: Infinity,
      receivedBytes: 0,
      isArriving: () => !request.complete,
      refusal: new Subject(),
    };
    this.uploads.add(upload);
    return upload;
  }

  private assertSlotAvailable(userId: string): void {
    const ofUser = [...this.uploads].filter((upload) => upload.userId === userId).length;
    const isFull = this.uploads.size >= MAX_UPLOADS && !this.findReplaceable();
    if (isFull || ofUser >= MAX_UPLOADS_PER_USER) throw unavailable('too_many_uploads');
  }

  /** The slowest upload that is still arriving and has had its slot for a while. */
  private findReplaceable(): Upload | undefined {
    return [...this.uploads]
      .filter((upload) => upload.isArriving() && this.durationOf(upload) > PROTECTED_MS)
      .toSorted((a, b) => this.rateOf(a) - this.rateOf(b))[0];
  }

  private refuseIfSlow(upload: Upload): void {
    const isSlow = this.durationOf(upload) > SLOW_START_MS && this.rateOf(upload) < MIN_BYTES_PER_SECOND;
    if (isSlow && upload.isArriving()) upload.refusal.error(new Problem('request_timeout'));
  }

  private durationOf({ startedAt }: Upload): number {
    return this.clock.now() - startedAt;
  }

  /** Average bytes per second. */
  private rateOf(upload: Upload): number {
    return (upload.receivedBytes * 1000) / Math.max(1, this.durationOf(upload));
  }
}

/** Resolves when the body has begun or has ended. Nothing is consumed. Throws `request_timeout` on a disconnect. */
async function waitForFirstByte(request: Request): Promise<void> {
  if (request.complete) return; // an empty body would never become readable
  await once(request, 'readable').catch((cause: unknown) => {
    throw new Problem('request_timeout', { cause });
  });
}
