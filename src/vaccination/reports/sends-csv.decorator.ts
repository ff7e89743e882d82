import { applyDecorators, Header } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';

/** A route that answers a table in CSV, to be saved under a name. */
export const SendsCsv = (name: string): MethodDecorator =>
  applyDecorators(
    Header('Content-Type', 'text/csv; charset=utf-8'),
    Header('Content-Disposition', `attachment; filename="${name}.csv"`),
    ApiOkResponse({ description: 'A table.', content: { 'text/csv': { schema: { type: 'string' } } } }),
  );
