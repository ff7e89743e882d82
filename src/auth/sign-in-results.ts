import { ResultCounter } from '../http/metrics/result-counter.js';
import type { MetricsService } from '../metrics/metrics.service.js';

type SignInResults = ResultCounter<'method'>;

/** Counts sign-ins by method and result. */
export const signInResults = (metrics: MetricsService): SignInResults =>
  new ResultCounter(metrics, 'machi_sign_ins_total', 'Sign-ins by method and result.', ['method']);
