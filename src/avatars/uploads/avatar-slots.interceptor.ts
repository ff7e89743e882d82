import { Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock.provider.js';
import { isMultipart } from '../../http/bodies/body.guard.js';
import { MetricsService } from '../../metrics/metrics.service.js';
import { UPLOAD_QUOTA } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';
import { UploadSlotsInterceptor, type UploadSlotsOptions } from '../../rate-limit/upload-slots.interceptor.js';
import { assertFormHeaders } from './avatar-form.interceptor.js';

/** Limits how many avatars are received and processed at once. Each may hold a file of 5 MiB in memory. */
@Injectable()
export class AvatarSlotsInterceptor extends UploadSlotsInterceptor {
  constructor(quotas: QuotasService, clock: Clock, metrics: MetricsService) {
    const options: UploadSlotsOptions = {
      kind: 'avatar',
      maxUploads: 32,
      maxUploadsPerUser: 4,
      quota: UPLOAD_QUOTA,
      isUpload: isMultipart,
      assertHeaders: assertFormHeaders,
    };
    super(quotas, clock, options, metrics);
  }
}
