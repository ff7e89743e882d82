import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';

/** Documents a route that answers a document of this media type. */
export const ApiCatalogue = (type: string): MethodDecorator =>
  applyDecorators(
    ApiOkResponse({ content: { [type]: { schema: { type: 'string' } } } }),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );
