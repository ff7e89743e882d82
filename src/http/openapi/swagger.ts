import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import helmet from 'helmet';
import { completeOperations } from './operations.js';
import { VERSION } from '../../common/version.js';
import type { Config } from '../../config/config.js';

const introduction = (
  basePath: string,
): string => `The backend of a community: accounts and sessions, groups and permissions, avatars, chat, publishing and vaccination drives.

## Where to begin

1. Register a user with \`POST /api/users\`, under **users**.
2. Sign in with \`POST /api/sessions\`, under **sessions**. Copy the \`identity_token\` of the answer.
3. Press **Authorize** and paste it. Call \`GET /api/users/me\`.
4. Open the chat: [its page](${basePath}/docs/chat) describes the frames and has a box to connect with.

The tags below are in the order in which a new client needs them; the routes of the replaced systems come last. Type into the
filter to show one tag. The document of this page is at [/docs-json](${basePath}/docs-json), for generators of clients.

## Rules for all routes

Errors are \`application/problem+json\` with a stable \`code\`. Every response carries \`X-Request-Id\`.

All routes except those of the tag **health** answer 429 \`rate_limited\` when a client network sends too many requests
within a minute. Routes with a limit of their own list that response.

Besides the responses that a route lists, it answers:

- 304 to a GET of a text or a page with an \`If-None-Match\` that names its \`ETag\`;
- 400 \`bad_request\`, 408 \`request_timeout\` or 431 \`headers_too_large\` to a request that is not valid HTTP, slow or too long;
- 400 \`invalid_text\` to a URL that is not valid UTF-8 or contains NUL, and 422 \`validation_failed\` to a query parameter
  with the name of a property that every object has, such as \`toString\`;
- 404 \`not_found\` or \`user_not_found\` if the account of the caller is deleted while the request runs;
- if it takes no JSON, 415 \`unsupported_media_type\` to a body of a type that it does not take, and 400 \`malformed_json\`, 400
  \`body_too_complex\`, 400 \`invalid_text\`, 413 \`body_too_large\` or 422 \`validation_failed\` to JSON that is not acceptable anywhere.`;

/** The tags in the order in which a new client needs them. */
const TAGS = {
  users: 'Registration, profiles, e-mail addresses and the search for users',
  sessions: 'Sign-in, token refresh and sign-out, and the devices of a user',
  'password resets': 'A new password by a mailed code',
  'two-factor authentication': 'Codes of an authenticator app, and recovery codes',
  passkeys: 'Sign-in without a password',
  avatars: 'Profile images and their moderation',
  groups: 'Groups, their members and the permissions that they grant',
  chat: 'The WebSocket chat, and what its users can also do over HTTP',
  projects: 'Projects, their chapters and release groups',
  reading: 'What users follow, and how far they have read',
  announcements: 'Announcements and blog posts, with read marks',
  push: 'Notifications in browsers, of messages to users who are not connected',
  feeds: 'Feeds for feed readers and catalogues for comic readers',
  publishing: 'Reports and the review of chapters',
  vaccination: 'Vaccines, centres, sessions, registrations, appointments, doses, certificates and reports',
  audit: 'The log of security-relevant actions',
  health: 'Health checks',
  kanjiku: 'Compatibility routes of the manga site',
  kitsu: 'Compatibility routes of the anime site; its sign-in is the route of the chat app',
  chatapp: 'Compatibility routes of the chat app',
  tmtar: 'Compatibility routes of the augmented-reality service',
  'backend-user': 'Compatibility routes of the vaccine registration',
};

/** The OpenAPI document of all routes. `basePath`: the path of PUBLIC_URL. */
export function createOpenApiDocument(app: INestApplication, basePath = ''): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Machi')
    .setVersion(VERSION)
    .setDescription(introduction(basePath))
    .addServer(basePath || '/')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The identity token.' });
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), { autoTagControllers: false });
  return completeOperations(documentAliases(document));
}

/** Routes that have a new name; the old one still works. */
const DEPRECATED_PATHS = /\/two-step(\/|$)/;

/** A route with several paths has one operation for each; the operations after the first end in `Alias`. */
function documentAliases(document: OpenAPIObject): OpenAPIObject {
  const ids = new Set<string>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const operation of Object.values(item as Record<string, { operationId: string; deprecated?: boolean }>)) {
      if (DEPRECATED_PATHS.test(path)) operation.deprecated = true;
      if (ids.has(operation.operationId)) operation.operationId += 'Alias';
      ids.add(operation.operationId);
    }
  }
  return document;
}

/** Serves Swagger UI at `/docs` and its document at `/docs-json`, and redirects `/` to it. */
export function setupSwagger(app: NestExpressApplication, config: Config): void {
  const directives = {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:', 'blob:'], // blob: images in responses
    connectSrc: ["'self'"],
    frameAncestors: ["'none'"],
  };
  app.use(['/docs'], helmet.contentSecurityPolicy({ useDefaults: false, directives }));
  app.use(/^\/$/, (_: Request, response: Response) => response.redirect(302, `${config.basePath}/docs`));
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app, config.basePath), {
    customSiteTitle: `${config.APP_NAME} API`,
    swaggerOptions: {
      persistAuthorization: true,
      displayRequestDuration: true,
      docExpansion: 'none',
      filter: true,
      defaultModelsExpandDepth: 0,
    },
  });
}
