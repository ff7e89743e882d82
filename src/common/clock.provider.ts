import { Injectable } from '@nestjs/common';

/** The time, as everything in Machi reads it: tests replace this one class to move it. */
@Injectable()
export class Clock {
  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now();
  }

  /** Whole seconds since the epoch, as JWT claims count (RFC 7519, NumericDate). */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  date(): Date {
    return new Date(this.now());
  }
}
