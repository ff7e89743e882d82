import type { Type } from '@nestjs/common';
import { getMetadataStorage, validateSync, ValidationTypes } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { Problem } from '../../http/problems/problem.js';
import { isText } from './field-decorators.js';
import type { RequestFrame } from './request-frame.dto.js';

const MAX_REQUEST_ID = 64;

type Fields = Record<string, unknown>;

/** A received frame before its fields are validated. */
export interface ParsedFrame {
  /** Undefined unless the frame is a JSON object. */
  fields: Fields | undefined;
  type: unknown;
  /** Undefined if absent or invalid. */
  requestId: string | undefined;
}

/** Parses a text frame; null stands for a binary one. */
export function parseFrame(text: string | null): ParsedFrame {
  const fields = text === null ? undefined : parseObject(text);
  const requestId = fields?.['request_id'];
  return { fields, type: fields?.['type'], requestId: isText(requestId, MAX_REQUEST_ID) ? requestId : undefined };
}

/** Explains why a frame has no known type. */
export function explainUnknownType(text: string | null, { fields }: ParsedFrame): string {
  if (text === null) return 'Send text frames, not binary ones.';
  if (!fields) return 'Send one JSON object in each frame.';
  if (!Object.hasOwn(fields, 'type')) return 'type required';
  return 'There is no such type.';
}

/** Copies the declared fields of a frame into its DTO and validates them. Throws `invalid_frame`. */
export function toRequest(dto: Type<RequestFrame>, fields: Fields): RequestFrame {
  const { names, isValid } = rulesOf(dto);
  const request = new dto() as RequestFrame & Fields;
  for (const name of names) if (Object.hasOwn(fields, name)) request[name] = fields[name];
  if (isValid(request)) return request;
  const [error] = validateSync(request, { stopAtFirstError: true });
  if (!error) return request;
  const [sentence] = Object.values(error.constraints ?? {});
  const detail = error.value === undefined ? `${error.property} required` : sentence;
  throw new Problem('invalid_frame', { detail });
}

function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

type Rule = (request: Fields) => boolean;

interface Rules {
  /** The declared fields. */
  names: string[];
  /** True only if class-validator would accept the request. It may be false for a valid one. */
  isValid: Rule;
}

const rulesByDto = new WeakMap<Type<RequestFrame>, Rules>();

/** The rules that class-validator has for a DTO. It looks them up for each object, which takes most of the time to read a frame. */
function rulesOf(dto: Type<RequestFrame>): Rules {
  const known = rulesByDto.get(dto);
  if (known) return known;
  const metadata = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
  const names = [...new Set(metadata.map(({ propertyName }) => propertyName))];
  const fields = names.map((name) => toRule(metadata.filter(({ propertyName }) => propertyName === name)));
  const isValid: Rule = (request) => names.length > 0 && fields.every((rule) => rule(request));
  const rules = { names, isValid };
  rulesByDto.set(dto, rules);
  return rules;
}

/** All rules of one field. Rules with parameters or options of class-validator are left to it; those of `field-decorators.ts` have none. */
function toRule(metadata: ValidationMetadata[]): Rule {
  const conditions: Rule[] = [];
  const validators: Rule[] = [];
  for (const { type, propertyName, constraintCls, constraints, each, validateIf } of metadata) {
    if (type === ValidationTypes.CONDITIONAL_VALIDATION) {
      const [applies] = constraints as [(request: Fields, value: unknown) => boolean];
      conditions.push((request) => applies(request, request[propertyName]));
    } else if (type !== ValidationTypes.CUSTOM_VALIDATION || constraints?.length || each || validateIf) {
      return () => false;
    } else {
      for (const { instance } of getMetadataStorage().getTargetValidatorConstraints(constraintCls))
        validators.push((request) => instance.validate(request[propertyName]) === true);
    }
  }
  return (request) =>
    validators.every((isValid) => isValid(request)) || !conditions.every((applies) => applies(request));
}
