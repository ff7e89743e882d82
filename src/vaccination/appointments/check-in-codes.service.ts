import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { deriveKey, keyedHash } from '../../common/keys/encryption.js';
import { Config } from '../../config/config.js';

const DIGITS = 6;

/**
 * The codes that people show at the check-in. They follow from SECRET_KEY and the id of the appointment, so that the
 * database holds no code, and staff who read the appointment do not know it.
 */
@Injectable()
export class CheckInCodesService {
  private readonly key: Buffer;

  constructor(config: Config) {
    this.key = deriveKey(config.SECRET_KEY, 'check-in codes'); // codes that people have noted down depend on the name
  }

  /** The code of an appointment, six digits. Only the account that booked it may see it. */
  codeOf(appointmentId: string): string {
    const number = keyedHash(this.key, appointmentId).readUIntBE(0, 6) % 10 ** DIGITS;
    return String(number).padStart(DIGITS, '0');
  }

  isCodeOf(appointmentId: string, code: string): boolean {
    const expected = Buffer.from(this.codeOf(appointmentId));
    const given = Buffer.from(code);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}
