import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiResponse } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { refToHeaders } from '../http/openapi/response-headers.js';
import { type Representation, sendRepresentation } from '../http/representation.js';

/** Front ends on other origins show images. No browser runs scripts in one that is opened. */
export const IMAGE_HEADERS = {
  'accept-ranges': 'bytes',
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'cross-origin',
};
export const PRIVATE = 'private, no-store';

/** An image as a response, or the address of the store that has it. */
export type StoredImage = Representation | { location: string };

const FILE = { schema: { type: 'string', format: 'binary' } } as const;
const CONTENT = { content: { 'image/webp': FILE, 'image/jpeg': FILE, 'image/png': FILE, 'image/avif': FILE } };

/** A route that calls `sendImage`; `redirects`: the image may be an address of the store. */
export const SendsImage = ({ redirects = true } = {}): MethodDecorator =>
  applyDecorators(
    ApiOkResponse(CONTENT),
    ApiResponse({ status: 206, description: 'The requested range.', ...CONTENT }),
    ...(redirects
      ? [ApiResponse({ status: 302, description: 'Redirects to the store.', headers: refToHeaders('Location') })]
      : []),
    ApiResponse({ status: 304, description: 'Not modified.' }),
  );

/** Sends an image, or redirects to the store that has it. */
export async function sendImage(request: Request, response: Response, image: StoredImage): Promise<void> {
  if ('location' in image) response.set('cache-control', PRIVATE).status(302).location(image.location).end();
  else await sendRepresentation(request, response, image);
}
