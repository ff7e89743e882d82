import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { Matches } from 'class-validator';
import { createRequire } from 'node:module';
import { toAsciiDigits } from '../../common/text.js';

const require = createRequire(import.meta.url);
/** The CommonJS build, which class-validator has loaded: the other one would load the rules of all countries once more. */
const { parsePhoneNumberFromString } = require('libphonenumber-js') as typeof import('libphonenumber-js');

/** Numbers without a country code are Bangladeshi. */
const DEFAULT_COUNTRY = 'BD';
const MAX_LENGTH = 40;

/** A phone number, normalised to E.164. */
export const IsPhoneNumber = (): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? (toE164(value) ?? value) : value)),
    Matches(/^\+[1-9]\d{6,14}$/, {
      message: '$property must be a phone number such as +8801712345678 or 01712345678',
    }),
  );

/** The number in E.164; undefined if it is none. */
export function toE164(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const number = parsePhoneNumberFromString(toAsciiDigits(text), DEFAULT_COUNTRY);
  return number?.isValid() && !number.ext ? number.number : undefined;
}
