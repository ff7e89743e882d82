import { applyDecorators, Param, ParseUUIDPipe, type PipeTransform, ValidationPipe } from '@nestjs/common';
import { plainToInstance, Transform } from 'class-transformer';
import { Length, Matches, validateSync, type ValidationError } from 'class-validator';
import { type FieldError, Problem, validationFailed } from './problem.js';

/** Checks bodies and queries against their DTO: unknown fields are refused, never dropped in silence. */
export const validationPipe = (): PipeTransform =>
  new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    exceptionFactory: (errors: ValidationError[]) => validationFailed(errors.flatMap((error) => fieldErrors(error))),
  });

/** The same for an object that came another way; what the class does not know is dropped. */
export function assertValid<T extends object>(kind: new () => T, fields: object): T {
  const instance = plainToInstance(kind, Array.isArray(fields) ? {} : fields);
  const errors = validateSync(instance, { whitelist: true, forbidUnknownValues: true });
  if (errors.length > 0) throw validationFailed(errors.flatMap((error) => fieldErrors(error)));
  return instance;
}

function fieldErrors(error: ValidationError, parent = ''): FieldError[] {
  const path = parent + error.property;
  const own = Object.values(error.constraints ?? {}).map((message) => ({ path, message }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, `${path}.`))];
}

/** The database finds an id in capitals, too; all else (comparing ids, naming files by them) wants one spelling. */
const inLowerCase: PipeTransform<string, string> = { transform: (id) => id.toLowerCase() };

/** A path parameter that must be a UUID; anything else is a 400, whatever the database would make of it. */
export const UuidParam = (name: string): ParameterDecorator =>
  Param(
    name,
    new ParseUUIDPipe({ exceptionFactory: () => new Problem('invalid_id', { detail: `"${name}" is not a UUID.` }) }),
    inLowerCase,
  );

/** Control characters, and the marks that reverse the direction of text to disguise it. */
const UNSEEN = /^[^\p{Cc}\u202a-\u202e\u2066-\u2069]*$/u;

/** One line of human text: composed (NFC), without white space around it or control characters in it. */
export const IsLine = (min: number, max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? value.normalize('NFC').trim() : value)),
    Length(min, max),
    Matches(UNSEEN, { message: '$property must be a single line without control characters' }),
  );
