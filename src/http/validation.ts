import { applyDecorators, Param, ParseUUIDPipe, type PipeTransform, ValidationPipe } from '@nestjs/common';
import { ApiParam, ApiProperty } from '@nestjs/swagger';
import { plainToInstance, Transform } from 'class-transformer';
import { ValidateBy, validateSync, ValidateIf, type ValidationError } from 'class-validator';
import { findLineError, hasLongNumber, normaliseLine } from '../common/text.js';
import { type FieldError, Problem, validationFailed } from './problems/problem.js';

/** Validates bodies and queries by their DTOs and refuses unknown fields. Throws `validation_failed`. */
export const validationPipe = (): PipeTransform =>
  new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    exceptionFactory: (errors: ValidationError[]) => validationFailed(errors.flatMap((error) => fieldErrors(error))),
  });

/** Validates an object that no pipe has seen and drops unknown fields. Throws `validation_failed`. */
export function assertValid<T extends object>(kind: new () => T, fields: object): T {
  const instance = plainToInstance(kind, Array.isArray(fields) ? {} : fields);
  const errors = validateSync(instance, { whitelist: true, forbidUnknownValues: true });
  if (errors.length > 0) throw validationFailed(errors.flatMap((error) => fieldErrors(error)));
  return instance;
}

/**
 * Unknown fields have any name: one that contains a national id is not repeated. A value without rules has no name, such as the
 * function `keys` of a list that is sent for an object with this field.
 */
function fieldErrors(error: ValidationError, parent = ''): FieldError[] {
  const property = (error.property as string | undefined) ?? '';
  const name = hasLongNumber(property) ? '…' : property;
  const path = [parent, name].filter((part) => part !== '').join('.');
  const own = messagesOf(error.constraints ?? {}).map((message) => ({
    path,
    message: name === property ? message : 'an unknown property should not exist',
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, path))];
}

/** The rules about the type of a value, by their names in class-validator. */
const TYPE_RULES = ['isString', 'isInt', 'isNumber', 'isBoolean', 'isArray', 'isObject'];

/** A value of a wrong type breaks the other rules of its field as well, and their messages mislead: "north" is not too large for a latitude. */
function messagesOf(constraints: Record<string, string>): string[] {
  const aboutType = TYPE_RULES.flatMap((rule) => constraints[rule] ?? []);
  return aboutType.length > 0 ? aboutType : Object.values(constraints);
}

/** Ids are compared and used in file names, so they need one spelling. */
const inLowerCase: PipeTransform<string, string> = { transform: (id) => id.toLowerCase() };

/** For ids in bodies that are compared with those of the database. */
export const InLowerCase = (): PropertyDecorator =>
  Transform(({ value }) => (typeof value === 'string' ? value.toLowerCase() : value));

/** A path parameter that must be a UUID, in lower case. Throws `invalid_id`. */
export const UuidParam =
  (name: string): ParameterDecorator =>
  (target, method, index) => {
    const exceptionFactory = (): Problem => new Problem('invalid_id', { detail: `"${name}" is not a UUID.` });
    Param(name, new ParseUUIDPipe({ exceptionFactory }), inLowerCase)(target, method, index);
    ApiParam({ name, format: 'uuid' })(target, method!, Object.getOwnPropertyDescriptor(target, method!)!);
  };

/** A single, visible line of text, which is trimmed and normalised to NFC. `min` and `max` count code points. */
export const IsLine = (min: number, max: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? normaliseLine(value) : value)),
    ValidateBy({
      name: 'isLine',
      validator: {
        validate: (value) => findLineError(value, min, max) === undefined,
        defaultMessage: (args) => `$property ${findLineError(args?.value, min, max)}`,
      },
    }),
    ApiProperty({ minLength: min, maxLength: max }),
  );

/** The field may be left out, but must not be null. `@IsOptional()` allows both. */
export const IsOptionalNotNull = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
