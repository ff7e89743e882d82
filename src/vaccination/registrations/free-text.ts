import { applyDecorators } from '@nestjs/common';
import { ValidateBy } from 'class-validator';
import { IsLine } from '../../http/validation.js';
import { toAsciiDigits } from './national-id.js';

const DAY = /\b\d{4}-\d{2}-\d{2}\b/g;
const SEPARATORS = /[\s.\p{Pd}\p{Cf}\u2212]/gu;

/** Whether a text has ten digits in a row, as a national id has. Days do not count. */
const hasIdNumber = (text: string): boolean =>
  /\d{10}/.test(toAsciiDigits(text.normalize('NFKC')).replace(DAY, ';').replace(SEPARATORS, ''));

/**
 * A line of free text about a person. It is stored unencrypted and goes to logs of audits, so it must not contain an id
 * number.
 */
export const IsFreeText = (min: number, max: number): PropertyDecorator =>
  applyDecorators(
    IsLine(min, max),
    ValidateBy({
      name: 'isWithoutIdNumber',
      validator: {
        validate: (value) => typeof value !== 'string' || value.length > 2 * max || !hasIdNumber(value),
        defaultMessage: () => '$property must not contain an id number or a phone number',
      },
    }),
  );
