import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';
import { documentSchema } from '../feeds/document-schema.js';

/** Documents a route that answers a document of this media type. */
export const ApiCatalogue = (type: string): MethodDecorator =>
  applyDecorators(
    ApiOkResponse({ content: { [type]: { schema: documentSchema(type) } } }),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );
