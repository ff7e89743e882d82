import { Clock } from '../../src/common/clock.provider.js';

/** Shows the real time until a test sets it; from then on it moves only when the test moves it. */
export class TestClock extends Clock {
  private time: number | undefined;

  override now(): number {
    return this.time ?? Date.now();
  }

  set(time: number): void {
    this.time = time;
  }

  /** Returns to the real time. */
  run(): void {
    this.time = undefined;
  }

  advance(ms: number): void {
    this.set(this.now() + ms);
  }
}
