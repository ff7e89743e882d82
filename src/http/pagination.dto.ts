import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { Problem } from './problems/problem.js';

const PLAIN_INTEGER = /^(0|[1-9]\d{0,8})$/;

/** An optional decimal integer in a query string. Refuses `0x10`, `1e3`, ` 7` and `7.0`. */
export const IsQueryInt = (min: number, max: number): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: 'integer', minimum: min, maximum: max }),
    IsOptional(),
    Transform(({ value }) => (typeof value === 'string' && PLAIN_INTEGER.test(value) ? Number(value) : value)),
    IsInt(),
    Min(min),
    Max(max),
  );

/** An optional `true` or `false` in a query string. */
export const IsQueryBoolean = (): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: Boolean }),
    IsOptional(),
    Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value)),
    IsBoolean(),
  );

/** Query parameters of a list with pages. */
export class PageQueryDto {
  /** The maximum number of items. */
  @IsQueryInt(1, 100)
  limit: number = 20;

  /** `next_cursor` of the previous page; absent for the first page. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  cursor?: string;
}

/** A page of a list; `next_cursor` is null on the last page. */
export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** Makes a page of rows that were queried with `limit + 1`. The cursor contains the key of the last row of the page. */
export function toPage<R, T>(rows: R[], limit: number, key: (row: R) => string, toDto: (row: R) => T): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(toDto),
    next_cursor: rows.length > limit && last !== undefined ? toCursor(key(last)) : null,
  };
}

/** The cursor with a key. */
export const toCursor = (key: string): string => Buffer.from(key).toString('base64url');

/** Returns the key in a cursor; `isKey` checks its format. Throws `invalid_cursor`. */
export function readCursor(cursor: string | undefined, isKey: (key: string) => boolean): string | undefined {
  if (cursor === undefined) return undefined;
  const key = Buffer.from(cursor, 'base64url').toString();
  if (!isKey(key) || toCursor(key) !== cursor) throw new Problem('invalid_cursor');
  return key;
}
