import type { OpenAPIObject } from '@nestjs/swagger';

type Header = NonNullable<NonNullable<OpenAPIObject['components']>['headers']>[string];

const header = (description: string, example: string | number): Header => ({
  description,
  schema: { type: typeof example === 'number' ? 'integer' : 'string', example },
});

/** The response headers of openapi.json by the names on the wire; `components.headers` has them under the same names. */
export const RESPONSE_HEADERS = {
  'X-Request-Id': header('The id of the request in the log.', '7d4d6a3e-0f0e-4a53-9f39-6f4c7c3f1b11'),
  Location: header('The path of the resource.', '/api/users/0199c2a4-5b1e-7c3f-8f21-3d5a9b7c1e42'),
  'Set-Cookie': header(
    'The refresh token, if the request has `"refresh": "cookie"` or the cookie.',
    '__Secure-refresh-token=eyJ…; Max-Age=604800; Path=/api/sessions; HttpOnly; Secure; SameSite=Strict',
  ),
  'Retry-After': header('Seconds to wait before the request is repeated.', 60),
  RateLimit: header('What is left of the limit, and the seconds until it resets.', '"sign-in";r=0;t=60'),
  'RateLimit-Policy': header('The limit, and its window in seconds.', '"sign-in";q=5;w=86400'),
};

/** References to headers, for the `headers` of a response. */
export const refToHeaders = (...names: (keyof typeof RESPONSE_HEADERS)[]): Record<string, { $ref: string }> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
