import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';
import { findLineError, hasLength, isVisible, normaliseLine } from '../../common/text.js';
import { isStorable } from '../../http/bodies/body-shape.js';

const satisfies = (name: string, message: string, validate: (value: unknown) => boolean): PropertyDecorator =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => `$property ${message}` } });

const isId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

/** An id: an integer from 1 to 2^53 − 1, not a string. */
export const IsId = (): PropertyDecorator =>
  applyDecorators(
    satisfies('isId', 'must be a positive integer', isId),
    ApiProperty({ type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  );

/** Like `IsId`, but may be absent or null. */
export const IsOptionalId = (): PropertyDecorator =>
  applyDecorators(
    satisfies('isOptionalId', 'must be a positive integer, or left out', (value) => value == null || isId(value)),
    ApiProperty({ type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, nullable: true, required: false }),
  );

/** Whether a value is a text of 1 to `max` characters that PostgreSQL can store. */
export const isText = (value: unknown, max: number): value is string =>
  typeof value === 'string' && hasLength(value, 1, max) && isStorable(value);

const TEXT = (max: number): string =>
  `must be a text of 1 to ${max.toLocaleString('en')} characters, valid Unicode without NUL`;

/** A visible text of 1 to `max` characters, stored without normalization. */
export const IsVisibleText = (max: number): PropertyDecorator =>
  applyDecorators(
    satisfies(
      'isVisibleText',
      `${TEXT(max)}, with a visible character`,
      (value) => isText(value, max) && isVisible(value),
    ),
    ApiProperty({ type: 'string', minLength: 1, maxLength: max }),
  );

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const areIds = (value: unknown, max: number): boolean =>
  Array.isArray(value) &&
  value.length <= max &&
  value.every((id) => typeof id === 'string' && UUID.test(id)) &&
  new Set(value.map((id: string) => id.toLowerCase())).size === value.length;

/** A list of at most `max` different UUIDs; may be absent or null. */
export const IsOptionalUuids = (max: number): PropertyDecorator =>
  applyDecorators(
    satisfies(
      'isOptionalUuids',
      `must be a list of at most ${max} different UUIDs, or left out`,
      (value) => value == null || areIds(value, max),
    ),
    ApiProperty({
      type: 'array',
      maxItems: max,
      uniqueItems: true,
      items: { type: 'string', format: 'uuid' },
      nullable: true,
      required: false,
    }),
  );

/** A line of 1 to `max` characters before `normaliseLine`; may be absent or null. */
export const IsOptionalLine = (max: number): PropertyDecorator =>
  applyDecorators(
    ValidateBy({
      name: 'isOptionalLine',
      validator: {
        validate: (value) => value == null || lineError(value, max) === undefined,
        defaultMessage: (args) => `$property ${lineError(args?.value, max)}, or be left out`,
      },
    }),
    ApiProperty({ type: 'string', minLength: 1, maxLength: max, nullable: true, required: false }),
  );

/** A line of 1 to `max` characters before `normaliseLine`. */
export const IsLine = (max: number): PropertyDecorator =>
  applyDecorators(
    ValidateBy({
      name: 'isLine',
      validator: {
        validate: (value) => lineError(value, max) === undefined,
        defaultMessage: (args) => `$property ${lineError(args?.value, max)}`,
      },
    }),
    ApiProperty({ type: 'string', minLength: 1, maxLength: max }),
  );

/** One of these texts. */
export const IsOneOf = (values: readonly string[]): PropertyDecorator =>
  applyDecorators(
    satisfies('isOneOf', `must be one of ${values.join(', ')}`, (value) => values.includes(value as string)),
    ApiProperty({ type: 'string', enum: [...values] }),
  );

const lineError = (value: unknown, max: number): string | undefined =>
  findLineError(typeof value === 'string' ? normaliseLine(value) : value, 1, max);

/** A text of 1 to `max` characters that is compared and not shown. */
export const IsText = (max: number): PropertyDecorator =>
  applyDecorators(
    satisfies('isText', TEXT(max), (value) => isText(value, max)),
    ApiProperty({ type: 'string', minLength: 1, maxLength: max }),
  );

/** Like `IsText`, but may be absent or null. */
export const IsOptionalText = (max: number): PropertyDecorator =>
  applyDecorators(
    satisfies('isOptionalText', `${TEXT(max)}, or left out`, (value) => value == null || isText(value, max)),
    ApiProperty({ type: 'string', minLength: 1, maxLength: max, nullable: true, required: false }),
  );

/** The sequences that Unicode recommends for general interchange. The flag `v` is not yet known to the compiler's target. */
const EMOJI = new RegExp(String.raw`^\p{RGI_Emoji}$`, 'v');
const isEmoji = (value: unknown): boolean => typeof value === 'string' && value.length <= 32 && EMOJI.test(value);

/** One emoji; may be absent or null. */
export const IsOptionalEmoji = (): PropertyDecorator =>
  applyDecorators(
    satisfies('isOptionalEmoji', 'must be one emoji, or left out', (value) => value == null || isEmoji(value)),
    ApiProperty({ type: 'string', minLength: 1, maxLength: 16, nullable: true, required: false }),
  );

const isCount = (value: unknown): boolean => value === 0 || isId(value);

const isCursor = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const { conversation_id, message_id, revision } = value as Record<string, unknown>;
  return isId(conversation_id) && isCount(message_id) && isCount(revision);
};

const COUNT = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };

/** A list of at most `max` cursors of different conversations. */
export const IsCursors = (max: number): PropertyDecorator =>
  applyDecorators(
    satisfies(
      'isCursors',
      `must be a list of at most ${max} cursors of different conversations, each with conversation_id, message_id and revision`,
      (value) => Array.isArray(value) && value.length <= max && value.every(isCursor) && areDifferent(value),
    ),
    ApiProperty({
      type: 'array',
      maxItems: max,
      items: {
        type: 'object',
        required: ['conversation_id', 'message_id', 'revision'],
        properties: { conversation_id: { ...COUNT, minimum: 1 }, message_id: COUNT, revision: COUNT },
      },
      example: [{ conversation_id: 12, message_id: 4711, revision: 46 }],
    }),
  );

const areDifferent = (cursors: { conversation_id: number }[]): boolean =>
  new Set(cursors.map(({ conversation_id }) => conversation_id)).size === cursors.length;

/** A list of at most `maxNames` usernames of at most `max` characters. */
export const IsNames = (maxNames: number, max: number): PropertyDecorator =>
  applyDecorators(
    satisfies(
      'isNames',
      `must be a list of at most ${maxNames} usernames`,
      (value) => Array.isArray(value) && value.length <= maxNames && value.every((name) => isText(name, max)),
    ),
    ApiProperty({ type: 'array', maxItems: maxNames, items: { type: 'string', minLength: 1, maxLength: max } }),
  );
