import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import helmet from 'helmet';
import { completeOperations } from './operations.js';
import { VERSION } from '../../common/version.js';
import type { Config } from '../../config/config.js';

const INTRODUCTION = `The backend of a community: accounts and sessions, groups and permissions, avatars, chat.

Errors are \`application/problem+json\` with a stable \`code\`. Every response carries \`X-Request-Id\`.
Sign in with \`POST /api/sessions\`, then press **Authorize** and paste the \`identity_token\`.

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

/** The OpenAPI document of all routes. `basePath`: the path of PUBLIC_URL. */
export function createOpenApiDocument(app: INestApplication, basePath = ''): OpenAPIObject {
  const info = new DocumentBuilder()
    .setTitle('Machi')
    .setVersion(VERSION)
    .setDescription(INTRODUCTION)
    .addServer(basePath || '/')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The identity token.' })
    .addTag('sessions', 'Sign-in, token refresh and sign-out')
    .addTag('users', 'Accounts and profiles')
    .addTag('two-factor authentication', 'Codes of an authenticator app, and recovery codes')
    .addTag('passkeys', 'Sign-in without a password')
    .addTag('avatars', 'Profile images and their moderation')
    .addTag('groups', 'Groups and their permissions')
    .addTag('chat', 'The WebSocket chat')
    .addTag('projects', 'Projects, their chapters and release groups')
    .addTag('reading', 'What users follow, and how far they have read')
    .addTag('feeds', 'Feeds for feed readers and catalogues for comic readers')
    .addTag('publishing', 'Announcements, reports and the review of chapters')
    .addTag('audit', 'The log of security-relevant actions')
    .addTag('kanjiku', 'Compatibility routes of the manga site')
    .addTag('kitsu', 'Compatibility routes of the anime site; its sign-in is the route of the chat app')
    .addTag('chatapp', 'Compatibility routes of the chat app')
    .addTag('tmtar', 'Compatibility routes of the augmented-reality service')
    .addTag('backend-user', 'Compatibility routes of the vaccine registration')
    .addTag('health', 'Health checks')
    .build();
  const document = SwaggerModule.createDocument(app, info, { autoTagControllers: false });
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
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}
