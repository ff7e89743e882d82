import { Injectable } from '@nestjs/common';

/** The current time. Tests replace this class to control it. */
@Injectable()
export class Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number {
    return Date.now();
  }

  /** Whole seconds since the Unix epoch, as in JWT claims (RFC 7519, NumericDate). */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  /** The time as a Date. */
  date(): Date {
    return new Date(this.now());
  }
}
