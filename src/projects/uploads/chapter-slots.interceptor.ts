import { type CallHandler, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { Clock } from '../../common/clock.provider.js';
import { allowLongBody } from '../../http/bodies/long-bodies.js';
import { Problem } from '../../http/problems/problem.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { CHAPTER_FILES_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { UploadSlotsInterceptor, type UploadSlotsOptions } from '../../rate-limit/upload-slots.interceptor.js';
import { MAX_UPLOAD_BODY_BYTES } from './limits.js';

/** Limits how many forms and archives of chapters are received at once. Each may take 300 MiB of the disk. */
@Injectable()
export class ChapterSlotsInterceptor extends UploadSlotsInterceptor {
  constructor(quotas: QuotasService, clock: Clock, metrics: MetricsService) {
    const options: UploadSlotsOptions = {
      kind: 'chapter',
      maxUploads: 8,
      maxUploadsPerUser: 2,
      quota: CHAPTER_FILES_QUOTA,
      isUpload: () => true,
      assertHeaders,
    };
    super(quotas, clock, options, metrics);
  }

  override intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    allowLongBody(context.switchToHttp().getRequest<Request>());
    return super.intercept(context, next);
  }
}

function assertHeaders({ headers }: Request): void {
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new Problem('unsupported_media_type');
  if (Number(headers['content-length']) > MAX_UPLOAD_BODY_BYTES) throw new Problem('upload_too_large');
}
