import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { getMetadataStorage, IsIn, ValidateBy, type ValidationArguments } from 'class-validator';
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

/** The text that parseDuration reads as this duration, in the largest unit that fits. */
export function durationText(duration: Duration): string {
  if (duration === Infinity) return 'never';
  const [unit, length] = Object.entries(UNITS).findLast(([, ms]) => duration % ms === 0)!;
  return `${duration / length}${unit}`;
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

const splitList = (text: unknown): string[] =>
  String(text)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** Converts a comma-separated text to a list. */
export const AsList = (): PropertyDecorator => Transform(({ value }) => splitList(value));

const IS_DURATION = 'isDuration';

/** Converts a text with parseDuration. */
export const AsDuration = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' ? parseDuration(value) : value));

export const IsDuration = (): PropertyDecorator =>
  satisfies(
    IS_DURATION,
    'must be a duration such as 90s, 15m, 12h, 7d, or never',
    (value) => typeof value === 'number' && value > 0,
  );

/** The settings of a class whose rule is IsDuration. */
export const listDurations = (target: new () => object): Set<string> =>
  new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(target, '', false, false)
      .filter(({ name }) => name === IS_DURATION)
      .map(({ propertyName }) => propertyName),
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

/** One of these words in lower case, given in any case (`DEBUG=True`). */
const IsWord = (...words: string[]): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? value.toLowerCase() : value)),
    IsIn(words),
  );

/** `on` or `off`. */
export const IsSwitch = (): PropertyDecorator => IsWord('on', 'off');

/** `true` or `false`. */
export const IsTrueOrFalse = (): PropertyDecorator => IsWord('true', 'false');

/** Takes an IPv6 address in brackets, as in URLs. */
export const AsHost = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' ? value.replace(/^\[(.*)\]$/, '$1') : value));

/**
 * A URL with one of these schemes. Its host may be an IPv6 address or contain underscores. `isBase`: without user name, query
 * and fragment. `isList`: or several, separated by commas.
 */
export const IsUrlOf = (
  schemes: string[],
  example: string,
  { isBase = false, isList = false } = {},
): PropertyDecorator => {
  const isUrl = (text: string): boolean => {
    if (!/^[a-z]+:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) return false;
    const { protocol, hostname, username, password, search, hash } = new URL(text);
    if (hostname === '' || !schemes.includes(protocol.slice(0, -1))) return false;
    return !isBase || `${username}${password}${search}${hash}` === '';
  };
  return satisfies('isUrlOf', `must look like ${example}`, (value) =>
    (isList ? String(value).split(',') : [String(value)]).every(isUrl),
  );
};

/** A comma-separated list of origins, as browsers send them: in lower case, without default port and without a final slash. */
export const AsOrigins = (): PropertyDecorator => Transform(({ value }) => splitList(value).map(toOrigin));

function toOrigin(text: string): string {
  const origin = text.replace(/\/+$/, '').toLowerCase();
  return /^https?:\/\/[^/?#@*]+$/.test(origin) && URL.canParse(origin) ? new URL(origin).origin : origin;
}

/**
 * Whether a text is `*` or an origin, `scheme://host[:port]`. The scheme may be that of an app, such as `capacitor://localhost`.
 * A pattern such as `https://*.example.org` is none: each origin is named.
 */
export const isOrigin = (text: string): boolean =>
  text === '*' || (/^[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s\\]+$/.test(text) && URL.canParse(text));

/** Whether Express's setting `trust proxy` accepts a text as an address, a range or a named range. */
export const isProxy = (text: string): boolean => {
  const [address, bits, ...rest] = text.split('/');
  const version = isIP(address ?? '');
  if (version === 0) return ['loopback', 'linklocal', 'uniquelocal'].includes(text);
  return (
    rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
  );
};
