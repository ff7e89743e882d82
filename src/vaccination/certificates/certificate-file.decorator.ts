import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';

const fileOf = (type: string) => ({ content: { [type]: { schema: { type: 'string', format: 'binary' } } } });

/** Documents the successful answers of a route that sends a file of a certificate. */
export const CertificateFile = (type: string): MethodDecorator =>
  applyDecorators(
    ApiOkResponse(fileOf(type)),
    ApiResponse({ status: 206, description: 'The requested range.', ...fileOf(type) }),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );
