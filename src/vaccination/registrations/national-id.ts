import { toAsciiDigits } from '../../common/text.js';
import type { IdType } from './registration.entity.js';

/** A normalised id number, and the part of it that identifies the person. */
export interface NationalId {
  number: string;
  /** Equal for all spellings of one id. */
  identity: string;
}

/**
 * Reads a number as people write it: full-width and Bengali digits become ASCII; spaces, dashes and invisible characters are
 * dropped. Returns what is wrong with it as a text, which does not contain the number.
 *
 * - `NID`: 10, 13 or 17 digits. The 17-digit form is the year of birth and the 13-digit form.
 * - `BIRTH_REG`: 17 digits.
 * - `PASSPORT`: 6 to 12 letters and digits.
 *
 * An unknown date of birth agrees with every year.
 */
export function readNationalId(type: IdType, text: string, dateOfBirth: string | null): NationalId | string {
  const number = toAsciiDigits(text.normalize('NFKC'))
    .replace(/[\s\p{Pd}\p{Cf}\u2212]/gu, '')
    .toUpperCase();
  if (type === 'PASSPORT') {
    return /^[A-Z0-9]{6,12}$/.test(number) ? same(number) : 'id_number must be 6 to 12 letters and digits';
  }
  if (type === 'BIRTH_REG') {
    return /^\d{17}$/.test(number) ? same(number) : 'id_number must have 17 digits';
  }
  if (!/^(\d{10}|\d{13}|\d{17})$/.test(number)) return 'id_number must have 10, 13 or 17 digits';
  if (number.length < 17) return same(number);
  const isOfYear = dateOfBirth === null || number.startsWith(dateOfBirth.slice(0, 4));
  return isOfYear ? { number, identity: number.slice(4) } : 'id_number must start with the year of birth';
}

const same = (number: string): NationalId => ({ number, identity: number });

/** The form in which a number is shown. It does not tell the length of the number. */
export const maskedNumber = (last4: string): string => `*******${last4}`;
