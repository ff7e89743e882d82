import { Injectable } from '@nestjs/common';
import { Problem } from '../../http/problems/problem.js';
import type { Quota } from '../../rate-limit/quotas.js';
import { QuotasService } from '../../rate-limit/quotas.service.js';

/** Quotas of users on what appears in the lists of other users. Counted in the database, over all nodes. */
@Injectable()
export class ChatQuotasService {
  constructor(private readonly quotas: QuotasService) {}

  /** Counts one request of the user. Throws `rate_limited`; its detail names the quota, because frames have no headers. */
  async consume(quota: Quota, userId: string): Promise<void> {
    try {
      await this.quotas.consume(quota, userId);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'rate_limited') throw error;
      const { headers } = error;
      const detail = `The quota "${quota.name}" is used up; wait ${headers['retry-after']} seconds.`;
      throw new Problem('rate_limited', { detail, headers });
    }
  }
}
