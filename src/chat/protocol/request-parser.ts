import type { Type } from '@nestjs/common';
import { getMetadataStorage, validateSync } from 'class-validator';
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
  const request = new dto() as RequestFrame & Fields;
  for (const name of declaredFields(dto)) if (Object.hasOwn(fields, name)) request[name] = fields[name];
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

const fieldsByDto = new WeakMap<Type<RequestFrame>, string[]>();

function declaredFields(dto: Type<RequestFrame>): string[] {
  const known = fieldsByDto.get(dto);
  if (known) return known;
  const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
  const names = [...new Set(rules.map(({ propertyName }) => propertyName))];
  fieldsByDto.set(dto, names);
  return names;
}
