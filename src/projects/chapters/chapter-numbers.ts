import { createHash } from 'node:crypto';

/** Digits with dots, such as 10 or 3.10. */
const NUMERIC = /^\d{1,9}(?:\.\d{1,9})*/;

/** A run of digits, so that text order is the order of the numbers: the count of digits, then the digits. */
function encodeDigits(digits: string): string {
  const significant = digits.replace(/^0+(?=\d)/, '');
  return `${significant.length}${significant}`;
}

/** The parts between the dots are compared one by one, so 3.9 comes before 3.10; zeros at the end mean nothing. */
function encodeNumber(number: string): string {
  const parts = number.split('.').map(encodeDigits);
  while (parts.length > 1 && parts.at(-1) === '10') parts.pop();
  return parts.join('');
}

const fold = (text: string): string => text.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim();

/**
 * The key by which chapters are sorted as text (in the collation C): numbers in their order, then other texts, then chapters
 * without a number. Two numbers that mean the same, such as 2 and 2.0, have the same key.
 */
export function sortKeyOf(number: string | null): string {
  if (number === null) return 'c';
  const text = fold(number);
  const numeric = NUMERIC.exec(text)?.[0];
  if (numeric === undefined) return `b${text.replaceAll(/\d{1,9}/g, encodeDigits)}`;
  // A blank sorts before digits, so 10 comes before 10a, and that before 10.1.
  const rest = text.slice(numeric.length).trim();
  return `a${encodeNumber(numeric)}${rest === '' ? '' : ` ${rest}`}`;
}

/** The key that is unique among the chapters of a project. Chapters without a number are told apart by their titles. */
export function numberKeyOf(number: string | null, title: string | null): string {
  if (number !== null) return sortKeyOf(number);
  return `c${createHash('sha256')
    .update(fold(title ?? ''))
    .digest('base64url')
    .slice(0, 22)}`;
}
