import { type CallHandler, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { Clock } from '../../common/clock.provider.js';
import { allowLongBody } from '../../http/bodies/long-bodies.js';
import { Problem } from '../../http/problems/problem.js';
import { MAX_PAGE_BYTES } from '../../images/image-jobs.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { ATTACHMENTS_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { UploadSlotsInterceptor, type UploadSlotsOptions } from '../../rate-limit/upload-slots.interceptor.js';

/** The file, and what a form adds to it. */
const MAX_BODY_BYTES = MAX_PAGE_BYTES + 64 * 1024;

/** Limits how many attachments are received and processed at once. Each may hold a file of 25 MiB in memory. */
@Injectable()
export class AttachmentSlotsInterceptor extends UploadSlotsInterceptor {
  constructor(quotas: QuotasService, clock: Clock, metrics: MetricsService) {
    const options: UploadSlotsOptions = {
      kind: 'attachment',
      maxUploads: 8,
      maxUploadsPerUser: 2,
      quota: ATTACHMENTS_QUOTA,
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
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new Problem('form_expected');
  if (Number(headers['content-length']) > MAX_BODY_BYTES) throw new Problem('file_too_large');
}
