import { applyDecorators } from '@nestjs/common';
import { ValidateBy } from 'class-validator';
import { hasLongNumber } from '../../common/text.js';
import { IsLine } from '../../http/validation.js';

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
        validate: (value) => typeof value !== 'string' || value.length > 2 * max || !hasLongNumber(value),
        defaultMessage: () => '$property must not contain an id number or a phone number',
      },
    }),
  );
