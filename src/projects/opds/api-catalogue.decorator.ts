import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';

/** The specification of OPDS 2.0 describes its members. */
const JSON_OBJECT = { type: 'object', additionalProperties: true } as const;

/** Documents a route that answers a document of this media type. */
export const ApiCatalogue = (type: string): MethodDecorator =>
  applyDecorators(
    ApiOkResponse({ content: { [type]: { schema: type.endsWith('json') ? JSON_OBJECT : { type: 'string' } } } }),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );
