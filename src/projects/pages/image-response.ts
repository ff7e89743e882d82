import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { refToHeaders } from '../../http/openapi/response-headers.js';
import { sendRepresentation } from '../../http/representation.js';
import { type PageImage, PRIVATE } from './page-delivery.service.js';

const FILE = { schema: { type: 'string', format: 'binary' } } as const;
const CONTENT = { content: { 'image/webp': FILE, 'image/jpeg': FILE, 'image/png': FILE, 'image/avif': FILE } };

/** A route that calls `sendImage`. */
export const SendsImage = (): MethodDecorator =>
  applyDecorators(
    ApiOkResponse(CONTENT),
    ApiResponse({ status: 206, description: 'The requested range.', ...CONTENT }),
    ApiResponse({ status: 302, description: 'Redirects to the store.', headers: refToHeaders('Location') }),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );

/** Sends an image, or redirects to the store that has it. */
export async function sendImage(request: Request, response: Response, image: PageImage): Promise<void> {
  if ('location' in image) response.set('cache-control', PRIVATE).redirect(302, image.location);
  else await sendRepresentation(request, response, image);
}
