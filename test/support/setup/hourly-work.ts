import { vi } from 'vitest';

const HOUR_MS = 3_600_000;

/** Records what an application that starts from now on does every hour, so that a test can run it without waiting. */
export function recordHourlyWork(): { run: () => void; stopRecording: () => void } {
  const work: (() => void)[] = [];
  const { setInterval } = globalThis;
  const spy = vi.spyOn(globalThis, 'setInterval').mockImplementation(((handler: () => void, ms: number) => {
    if (ms === HOUR_MS) work.push(handler);
    return setInterval(handler, ms);
  }) as typeof setInterval);
  return { run: () => work.forEach((handler) => handler()), stopRecording: () => spy.mockRestore() };
}
