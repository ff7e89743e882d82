// Rules for the texts of users. Characters are Unicode code points, as PostgreSQL counts them.

/** The number of characters. Does not copy the text. */
function countCharacters(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0xd800 && text.charCodeAt(i) < 0xdc00) count--;
  return count;
}

/** Whether a text has `min` to `max` characters. Texts that are far too long are not counted. */
export const hasLength = (text: string, min: number, max: number): boolean => {
  if (text.length < min || text.length > 2 * max) return false;
  const count = countCharacters(text);
  return count >= min && count <= max;
};

/** A letter, digit, punctuation mark or symbol that is not displayed as nothing or as a blank. */
const VISIBLE = /(?![\p{Default_Ignorable_Code_Point}\u2800\u{1d159}\u{13441}\u{13442}])[\p{L}\p{N}\p{P}\p{S}]/u;

/** Whether a reader sees anything of a text: spaces, zero-width characters and lone accents do not count. */
export const isVisible = (text: string): boolean => VISIBLE.test(text);

/** Control characters, line and paragraph separators, marks that change the direction of text, and what XML does not allow. */
const NOT_IN_LINES = /[\p{Cc}\p{Noncharacter_Code_Point}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const LINE_BREAKS = /[\t-\r\u0085\u2028\u2029]+/g;

/** Whether a text is displayed in one line, in its own order. */
const isSingleLine = (text: string): boolean => text.search(NOT_IN_LINES) === -1;

/** Zero-width characters and soft hyphens. Trimmed like blanks, but not variation selectors and tags, which end emoji. */
const isBlank = (character: string): boolean => /[\s\u0085\u00ad\u200b-\u200d\u2060\ufeff]/.test(character);

/** The text without blanks and zero-width characters at its ends. A loop, since `/\s+$/` takes quadratic time. */
export function trimBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start]!)) start++;
  while (end > start && isBlank(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** The form in which a line of text is stored. */
export const normaliseLine = (text: string): string => trimBlanks(text.normalize('NFC'));

/** Makes a line of at most `max` characters of any text; undefined if nothing of it is visible. */
export function toLine(text: string, max: number): string | undefined {
  const line = text.toWellFormed().replaceAll(LINE_BREAKS, ' ').replaceAll(NOT_IN_LINES, '').replaceAll(/ {2,}/g, ' ');
  const truncated = trimBlanks([...normaliseLine(line)].slice(0, max).join(''));
  return isVisible(truncated) ? truncated : undefined;
}

/** Why a value is not a line of `min` to `max` characters, as a sentence without a subject; undefined if it is one. */
export function findLineError(value: unknown, min: number, max: number): string | undefined {
  if (typeof value !== 'string') return 'must be a text';
  if (!value.isWellFormed() || !isSingleLine(value)) return 'must be a single line without control characters';
  if (!hasLength(value, min, max)) return `must have ${min} to ${max} characters`;
  return isVisible(value) ? undefined : 'must contain a visible character';
}

const BENGALI_ZERO = 0x09e6;

/** Replaces Bengali digits by ASCII digits. */
export const toAsciiDigits = (text: string): string =>
  text.replace(/[\u09e6-\u09ef]/g, (digit) => String(digit.charCodeAt(0) - BENGALI_ZERO));

const DAY = /\b\d{4}-\d{2}-\d{2}\b/g;
const SEPARATORS = /[\s._\p{Pd}\p{Cf}\u2212]/gu;

/** Whether a text has ten digits in a row, as a national id or a phone number has, also with separators. Days do not count. */
export const hasLongNumber = (text: string): boolean =>
  /\d{10}/.test(toAsciiDigits(text.normalize('NFKC')).replace(DAY, ';').replace(SEPARATORS, ''));
