import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsIn, ValidateBy, type ValidationArguments } from 'class-validator';
import { isIP } from 'node:net';

/** A duration in milliseconds; Infinity for `never`. */
export type Duration = number;

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Converts `90s`, `15m`, `12h`, `7d` or `never` to milliseconds; returns NaN for other texts. */
export function parseDuration(text: string): Duration {
  if (text === 'never') return Infinity;
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  return count && unit ? Number(count) * UNITS[unit as keyof typeof UNITS] : NaN;
}

/** A validation rule with its message, which follows the name of the setting. */
export const satisfies = (name: string, message: string, validate: (value: unknown) => boolean): PropertyDecorator =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => `$property ${message}` } });

/** Converts digits to a number and checks its range. */
export const IsInteger = (min: number, max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (/^\d{1,9}$/.test(String(value)) ? Number(value) : value)),
    satisfies(
      'isInteger',
      `must be a whole number from ${min} to ${max}`,
      (value) => typeof value === 'number' && value >= min && value <= max,
    ),
  );

/** Converts a comma-separated text to a list. */
export const AsList = (): PropertyDecorator =>
  Transform(({ value }) =>
    String(value)
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );

/** Converts a text with parseDuration. */
export const AsDuration = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' ? parseDuration(value) : value));

export const IsDuration = (): PropertyDecorator =>
  satisfies(
    'isDuration',
    'must be a duration such as 90s, 15m, 12h, 7d, or never',
    (value) => typeof value === 'number' && value > 0,
  );

/** Valid if `read` accepts the text. The message of the error that `read` throws ends the message of the rule. */
export const IsReadable = (read: (text: string) => unknown, message: string): PropertyDecorator => {
  const findError = (text: unknown): string | undefined => {
    try {
      return void read(text as string);
    } catch (error) {
      return (error as Error).message;
    }
  };
  const defaultMessage = (args?: ValidationArguments): string => `$property ${message}: ${findError(args?.value)}`;
  return ValidateBy({
    name: 'isReadable',
    validator: { validate: (text) => findError(text) === undefined, defaultMessage },
  });
};

/** `on` or `off`. */
export const IsSwitch = (): PropertyDecorator => IsIn(['on', 'off']);

/** Whether a text is the origin of a web site without a trailing slash, or `*`. */
export const isOrigin = (text: string): boolean =>
  text === '*' || (URL.canParse(text) && new URL(text).origin === text);

/** Whether Express's setting `trust proxy` accepts a text as an address, a range or a named range. */
export const isProxy = (text: string): boolean => {
  const [address, bits, ...rest] = text.split('/');
  const version = isIP(address ?? '');
  if (version === 0) return ['loopback', 'linklocal', 'uniquelocal'].includes(text);
  return (
    rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
  );
};

/** Options of IsUrl. */
export const postgresUrl = { protocols: ['postgres', 'postgresql'], require_tld: false, require_protocol: true };
export const smtpUrl = { protocols: ['smtp', 'smtps'], require_tld: false, require_protocol: true };
