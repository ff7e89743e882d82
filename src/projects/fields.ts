import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsArray, IsDate, Matches, ValidateBy } from 'class-validator';
import { hasLength } from '../common/text.js';
import { readTimestamp } from '../common/timestamp.js';

const MIN_YEAR = 1970;
/** Control characters other than tab and line feed, and marks that change the direction of text. */
const NOT_IN_TEXT = /(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;
const TAG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** The canonical form of a BCP 47 language tag, such as pt-BR for PT-br; undefined for a text that is none. */
function canonicalLanguage(text: string): string | undefined {
  if (text.length > 35) return undefined;
  try {
    return Intl.getCanonicalLocales(text)[0];
  } catch {
    return undefined;
  }
}

/** A language tag (BCP 47), in its canonical form. */
export const IsLanguage = (): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? (canonicalLanguage(value) ?? value) : value)),
    ValidateBy({
      name: 'isLanguage',
      validator: {
        validate: (value) => typeof value === 'string' && canonicalLanguage(value) === value,
        defaultMessage: () => '$property must be a language tag such as en or pt-BR',
      },
    }),
  );

/** A text of several lines, with `\n` between them; at most `max` characters. */
export const IsText = (max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) =>
      typeof value === 'string' ? value.normalize('NFC').replaceAll('\r\n', '\n').trim() : value,
    ),
    ValidateBy({
      name: 'isText',
      validator: {
        validate: (value) =>
          typeof value === 'string' && value.isWellFormed() && !NOT_IN_TEXT.test(value) && hasLength(value, 0, max),
        defaultMessage: () => `$property must be a text of at most ${max} characters without control characters`,
      },
    }),
    ApiProperty({ maxLength: max }),
  );

/** Tags: lower-case words of letters and digits with hyphens, at most 40 characters each. Sorted, without duplicates. */
export const IsTags = (max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (isTags(value, Infinity) ? [...new Set(value)].toSorted() : value)),
    IsArray(),
    ValidateBy({
      name: 'isTags',
      validator: {
        validate: (value) => isTags(value, max),
        defaultMessage: () => `$property must be at most ${max} tags such as slice-of-life`,
      },
    }),
  );

const isTags = (value: unknown, max: number): value is string[] =>
  Array.isArray(value) &&
  value.length <= max &&
  value.every((tag) => typeof tag === 'string' && tag.length <= 40 && TAG.test(tag));

/** Splits a query parameter at its commas. Validate the result with `{ each: true }` or an array decorator. */
export const IsQueryList = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' ? value.split(',').filter(Boolean) : value));

/** A point in time with its offset from UTC, in ISO 8601, between 1970 and 2200. It becomes a Date. */
export const IsTimestamp = (): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => readTimestamp(value, MIN_YEAR) ?? value),
    IsDate({ message: '$property must be a time with its offset, such as 2027-01-18T03:00:00Z' }),
  );

const NUMBER_TEXT = /^[\p{L}\p{Nd}](?:[\p{L}\p{M}\p{Nd} ._-]{0,18}[\p{L}\p{M}\p{Nd}])?$/u;
const NUMBER_TEXT_MESSAGE = '$property must have 1 to 20 letters, digits, dots, hyphens or spaces';

/**
 * The number of a chapter or a volume: digits with dots such as 3.10, or another short text such as "Extra". No fractions
 * and no superscripts, which would be sorted as other numbers. Some letters stand for up to 18 others, which count.
 */
export const IsNumberText = (): PropertyDecorator =>
  applyDecorators(
    Matches(NUMBER_TEXT, { message: NUMBER_TEXT_MESSAGE }),
    ValidateBy({
      name: 'isShortNumberText',
      validator: {
        validate: (value) => typeof value === 'string' && NUMBER_TEXT.test(value.normalize('NFKC')),
        defaultMessage: () => NUMBER_TEXT_MESSAGE,
      },
    }),
  );
