import { createHash } from 'node:crypto';

/** Digits with dots, such as 10 or 3.10. */
const NUMERIC = /^\d+(?:\.\d+)*/;

/** A run of digits, so that text order is the order of the numbers: the count of digits as one character, then the digits. */
function encodeDigits(digits: string): string {
  const significant = digits.replace(/^0+(?=\d)/, '');
  return `${significant.length.toString(36)}${significant}`;
}

/** The parts between the dots are compared one by one, so 3.9 comes before 3.10; zeros at the end mean nothing. */
function encodeNumber(number: string): string {
  const parts = number.split('.').map(encodeDigits);
  while (parts.length > 1 && parts.at(-1) === '10') parts.pop();
  return parts.join('');
}

/** A decimal digit of any script as 0 to 9: Unicode encodes the ten digits of a script one after the other. */
function toAsciiDigit(digit: string): string {
  let value = 0;
  const at = digit.codePointAt(0)!;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(at - value - 1))) value++;
  return String(value);
}

const fold = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/\p{Nd}/gu, toAsciiDigit)
    .replaceAll(/\s+/g, ' ')
    .trim();

/**
 * The key by which chapters are sorted as text (in the collation C): numbers in their order, then other texts, then chapters
 * without a number. Two numbers that mean the same, such as 2 and 2.0, have the same key.
 */
export function sortKeyOf(number: string | null): string {
  if (number === null) return 'c';
  const text = fold(number);
  const numeric = NUMERIC.exec(text)?.[0];
  if (numeric === undefined) return `b${text.replaceAll(/\d+/g, encodeDigits)}`;
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
