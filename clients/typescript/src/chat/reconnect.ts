import { CLOSE_CODES } from '../generated/chat.js';

/** What follows the end of a connection. */
export interface ClosePlan {
  /** `refresh`: with a new token; `sign_in`: after the user has signed in; `stop`: not without the user. */
  action: 'reconnect' | 'refresh' | 'sign_in' | 'stop';
  /** Seconds. With `longest`, the pause doubles with each failure. */
  pause_seconds?: { min: number; max: number; longest?: number };
  description: string;
}

const KNOWN = CLOSE_CODES as readonly (ClosePlan & { code: number; reason?: string })[];
const ABNORMAL_CLOSURE = 1006;
/** A connection that was open for this time has not failed. */
export const STABLE_MS = 60_000;

/** Unknown codes are treated as a broken connection, and an unknown reason as the first one of its code. */
export function planOf(code: number, reason: string): ClosePlan {
  const sameCode = KNOWN.filter((known) => known.code === code);
  return sameCode.find((known) => known.reason === reason) ?? sameCode[0] ?? planOf(ABNORMAL_CLOSURE, '');
}

/** Milliseconds until the next attempt. From the second failure on, no plan is faster than that of a broken connection. */
export function pauseOf(plan: ClosePlan, failures: number, random: () => number): number {
  const planned = pick(plan.pause_seconds ?? { min: 0, max: 0 }, failures, random);
  const broken = planOf(ABNORMAL_CLOSURE, '').pause_seconds!;
  return failures < 2 ? planned : Math.max(planned, pick(broken, failures, random));
}

function pick(
  { min, max, longest }: { min: number; max: number; longest?: number },
  failures: number,
  random: () => number,
): number {
  const seconds = (min + random() * (max - min)) * (longest === undefined ? 1 : 2 ** Math.min(failures, 16));
  return 1000 * Math.min(seconds, longest ?? seconds);
}
